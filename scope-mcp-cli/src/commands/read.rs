//! `scope-mcp read`: what a resource has.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use scope_core::Nursery;
use scope_mcp::CallError;
use scope_mcp::model::{ReadResourceResult, ResourceContents};

use crate::app::App;
use crate::exit::{Code, Stop};
use crate::open::{Open, refused};
use crate::{content, names, sanitize};

/// How a resource is to be had.
#[derive(Debug)]
pub(crate) enum Form {
    Json,
    /// For people.
    Shown,
    /// Byte for byte.
    Exact,
    Saved(PathBuf),
}

impl Form {
    pub(crate) fn asked_for(json: bool, raw: bool, output: Option<PathBuf>) -> Form {
        match output {
            _ if json => Form::Json,
            Some(path) if path.as_os_str() != "-" => Form::Saved(path),
            Some(_) => Form::Exact,
            // What goes into a file or to a program is not to be changed on the way.
            None if raw || !io::stdout().is_terminal() => Form::Exact,
            None => Form::Shown,
        }
    }
}

pub(crate) async fn run(
    app: &App,
    n: &Nursery<'_, '_>,
    server: &str,
    uri: &str,
    form: Form,
    timeout: Duration,
) -> Result<Code, Stop> {
    let open = Open::open(app, n, app.config.server(server)?, timeout).await?;
    let outcome = read(app, &open, uri).await;
    let closed = open.close().await;
    let result = outcome?.map_err(|error| refused(&format!("{server} {uri}"), timeout, &error))?;
    match form {
        Form::Json => app.stdout.line(sanitize::to_json(&result)?),
        Form::Shown => app.stdout.line(content::of_resource(&result)),
        Form::Exact => app.stdout.bytes(bytes(server, &result)?),
        Form::Saved(path) => save(app, path, bytes(server, &result)?).await?,
    }
    closed.map(|_| Code::Done)
}

/// The answer; and an error of the outer kind if there is no such resource.
async fn read(app: &App, open: &Open<'_>, uri: &str) -> Result<Result<ReadResourceResult, CallError>, Stop> {
    let answer = {
        let _task = app.progress.task(format!("reading {uri} at {}", open.name));
        open.client.read_resource_with(uri, &open.options()).await
    };
    // What a template makes is in no list.
    if let Err(error) = &answer
        && let Some(said) = error.rejection()
        && let Ok(templates) = open.list_resource_templates().await
        && templates.is_empty()
        && let Ok(resources) = open.list_resources().await
        && resources.iter().all(|known| known.uri != uri)
    {
        let known = resources.iter().map(|known| known.uri.as_str());
        return Err(Stop::usage(names::missing(open.name, "resource", uri, known, &said.to_string())));
    }
    Ok(answer)
}

/// All that it has, one after the other.
fn bytes(server: &str, result: &ReadResourceResult) -> Result<Vec<u8>, Stop> {
    let mut all = Vec::new();
    for contents in &result.contents {
        let improper = |why: &str| {
            let uri = sanitize::short(&contents.uri, 200);
            Stop::server(format_args!("the server {server:?} sent no proper contents of {uri}: {why}"))
        };
        let ResourceContents { text, blob, .. } = contents;
        match (text, blob) {
            (Some(text), _) => all.extend_from_slice(text.as_bytes()),
            (None, Some(blob)) => {
                let decoded = decode(blob).map_err(|error| improper(&format!("its base64 is wrong: {error}")))?;
                all.extend(decoded);
            }
            (None, None) => return Err(improper("there is neither text nor bytes")),
        }
    }
    Ok(all)
}

/// With padding or without: servers do both.
fn decode(base64: &str) -> Result<Vec<u8>, base64::DecodeError> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&STANDARD, lenient).decode(base64)
}

/// Writes a file in a thread of its own, that is not waited for once somebody wants an end: it may be a pipe that nobody
/// reads.
async fn save(app: &App, path: PathBuf, bytes: Vec<u8>) -> Result<(), Stop> {
    let shown = sanitize::line(&path.display().to_string());
    let _task = app.progress.task(format!("writing {shown}"));
    let (done, written) = async_channel::bounded(1);
    let writer = move || {
        // Nobody waits for it any more, if this fails.
        _ = done.send_blocking(std::fs::write(path, bytes));
    };
    let cannot = |error: io::Error| Stop::usage(format_args!("cannot write {shown} (--output): {error}"));
    thread::Builder::new().name("output".into()).spawn(writer).map_err(cannot)?;
    match written.recv().await {
        Ok(outcome) => outcome.map_err(cannot),
        Err(_) => Err(cannot(io::Error::other("the thread that writes it has ended"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(contents: Value) -> Result<Vec<u8>, Stop> {
        bytes("s", &serde_json::from_value(json!({ "contents": contents })).unwrap())
    }

    #[test]
    fn text_and_bytes_are_what_they_are() {
        let all = of(json!([
            { "uri": "a", "text": "\u{1b}ä\r\n" },
            { "uri": "b", "blob": "AAEC/w==" },
            { "uri": "c", "blob": "aGk" },
            { "uri": "d", "text": "" },
        ]));
        assert_eq!(all.unwrap(), b"\x1b\xc3\xa4\r\n\x00\x01\x02\xffhi");
        assert!(of(json!([])).unwrap().is_empty());
    }

    #[test]
    fn what_is_neither_is_an_error_that_names_it() {
        for (contents, said) in [
            (json!([{ "uri": "x:a\u{1b}" }]), "the server \"s\" sent no proper contents of x:a\\x1b: there is neither"),
            (json!([{ "uri": "x:b", "blob": "a b" }]), "contents of x:b: its base64 is wrong"),
            (json!([{ "uri": "x:b", "blob": "data:,x" }]), "its base64 is wrong"),
        ] {
            let stop = of(contents).unwrap_err();
            assert!(stop.to_string().contains(said) && stop.code == Code::Server, "{stop}");
        }
    }
}
