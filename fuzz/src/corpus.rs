//! What the mutations begin with: the files of `corpus/`, line by line.
//!
//! `ID` in a line stands for the id of a request that is in flight.

use crate::random::Random;

/// Lines to begin with.
#[derive(Debug)]
pub struct Corpus {
    /// The lines of each file.
    files: Vec<Vec<Vec<u8>>>,
    answers: Vec<Vec<u8>>,
}

impl Corpus {
    /// What servers say to clients, and what is nasty to both.
    pub fn of_servers() -> Corpus {
        Corpus::read(&[
            include_bytes!("../corpus/server-legacy.jsonl"),
            include_bytes!("../corpus/server-modern.jsonl"),
            include_bytes!("../corpus/nasty.jsonl"),
        ])
    }

    /// What clients say to servers, and what is nasty to both.
    pub fn of_clients() -> Corpus {
        Corpus::read(&[
            include_bytes!("../corpus/client-legacy.jsonl"),
            include_bytes!("../corpus/client-modern.jsonl"),
            include_bytes!("../corpus/nasty.jsonl"),
        ])
    }

    /// All of it.
    pub fn whole() -> Corpus {
        let mut whole = Corpus::of_servers();
        whole.files.extend(Corpus::of_clients().files);
        whole
    }

    fn read(files: &[&[u8]]) -> Corpus {
        let lines = |file: &&[u8]| {
            file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
        };
        let files: Vec<Vec<Vec<u8>>> = files.iter().map(lines).collect();
        let is_answer = |line: &&Vec<u8>| memchr::memmem::find(line, b"\"method\":").is_none();
        let answers = files.iter().flatten().filter(is_answer).cloned().collect();
        Corpus { files, answers }
    }

    /// The files, by their lines.
    pub fn files(&self) -> &[Vec<Vec<u8>>] {
        &self.files
    }

    /// The lines that are answers.
    pub fn answers(&self) -> &[Vec<u8>] {
        &self.answers
    }

    /// One of those that fit what was asked for, as a rule, else any.
    pub fn answer_to(&self, method: &str, random: &mut Random) -> &Vec<u8> {
        let shows = match method {
            "tools/list" => "\"tools\":[",
            "tools/call" => "\"content\":[",
            "resources/list" => "\"resources\":[",
            "resources/read" => "\"contents\":[",
            "prompts/get" => "\"messages\":[",
            "completion/complete" => "\"completion\":",
            "subscriptions/listen" => "subscription",
            "tasks/get" | "tasks/result" => "\"taskId\":",
            _ => return self.line(random),
        };
        let fitting: Vec<&Vec<u8>> =
            self.files.iter().flatten().filter(|line| memchr::memmem::find(line, shows.as_bytes()).is_some()).collect();
        if fitting.is_empty() || random.one_in(4) { self.line(random) } else { fitting[random.below(fitting.len())] }
    }

    /// Any line.
    pub fn line(&self, random: &mut Random) -> &Vec<u8> {
        let file = random.one_of(&self.files);
        random.one_of(file)
    }
}

/// `line` with `id` where it stands for one.
pub fn with_id(line: &[u8], id: &str) -> Vec<u8> {
    let mut whole = Vec::with_capacity(line.len() + id.len());
    let mut rest = line;
    while let Some(at) = memchr::memmem::find(rest, b"ID") {
        whole.extend_from_slice(&rest[..at]);
        whole.extend_from_slice(id.as_bytes());
        rest = &rest[at + 2..];
    }
    whole.extend_from_slice(rest);
    whole
}
