//! ```text
//! cargo run --profile fuzz -p fuzz -- --seconds 60
//! cargo run --profile fuzz -p fuzz -- --inputs 10000000
//! cargo run --profile fuzz -p fuzz -- --target client --seed 17 --runs 1
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use fuzz::corpus::Corpus;
use fuzz::{Done, client, codec, heap, server};

#[derive(Parser)]
#[command(about = "Gives hostile input to scope-mcp, by seed, until enough has been given")]
struct Args {
    /// What gets the input; all of them in turn, unless given.
    #[arg(long)]
    target: Option<Target>,
    /// The seed of the first run; the following have the numbers after it.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// So many runs for each target.
    #[arg(long)]
    runs: Option<u64>,
    /// Until so many lines have been given in all.
    #[arg(long)]
    inputs: Option<u64>,
    /// Until so much time is over. 10, if nothing else is said.
    #[arg(long)]
    seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// The framer.
    Codec,
    /// A client, from its server.
    Client,
    /// A server, from its client.
    Server,
}

/// What may stay on the heap in all for what programs keep once they have needed it.
const KEPT: usize = 4 * 1024 * 1024;

struct Corpora {
    whole: Corpus,
    servers: Arc<Corpus>,
    clients: Arc<Corpus>,
}

impl Target {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, corpora: &Corpora, seed: u64) -> Done {
        match self {
            Target::Codec => codec::run(&corpora.whole, seed),
            Target::Client => client::run(&corpora.servers, seed),
            Target::Server => server::run(&corpora.clients, seed),
        }
    }
}

/// Says how to repeat a run, if it panics.
struct Running(Target, u64);

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Running(target, seed) = self;
            let target = target.name();
            eprintln!("\nto repeat it: cargo run --profile fuzz -p fuzz -- --target {target} --seed {seed} --runs 1");
        }
    }
}

fn main() {
    let args = Args::parse();
    let seconds = args.seconds.or_else(|| (args.runs.is_none() && args.inputs.is_none()).then_some(10));
    let corpora = Corpora {
        whole: Corpus::whole(),
        servers: Arc::new(Corpus::of_servers()),
        clients: Arc::new(Corpus::of_clients()),
    };
    let targets: Vec<Target> = args.target.map_or_else(|| Target::value_variants().to_vec(), |target| vec![target]);
    let mut sums = vec![Done::default(); targets.len()];
    let mut held_before = None;
    let began = Instant::now();
    let mut run = 0;
    loop {
        let inputs: u64 = sums.iter().map(|sum| sum.inputs).sum();
        let over = args.runs.is_some_and(|runs| run >= runs)
            || args.inputs.is_some_and(|wanted| inputs >= wanted)
            || seconds.is_some_and(|seconds| began.elapsed() >= Duration::from_secs(seconds));
        if over {
            break;
        }
        let seed = args.seed.wrapping_add(run);
        for (target, sum) in targets.iter().zip(&mut sums) {
            let running = Running(*target, seed);
            let done = target.run(&corpora, seed);
            drop(running);
            sum.add(&done);
        }
        run += 1;
        // The first runs fill what is kept for good.
        let before = *held_before.get_or_insert_with(heap::held);
        let more = heap::held().saturating_sub(before);
        assert!(more <= KEPT, "{more} bytes were left on the heap by {run} runs, up to that with seed {seed}");
    }
    let took = began.elapsed().as_secs_f64();
    for (target, sum) in targets.iter().zip(&sums) {
        let name = target.name();
        println!("{name}: {run} runs, {} inputs, at most {} KiB held in a run", sum.inputs, sum.most_held / 1024);
        for (outcome, times) in &sum.outcomes {
            println!("{times:>12} {outcome}");
        }
    }
    let inputs: u64 = sums.iter().map(|sum| sum.inputs).sum();
    println!(
        "{inputs} inputs in {took:.1} s ({:.0} a second), seeds {}..{}; {} KiB on the heap at the end",
        inputs as f64 / took,
        args.seed,
        args.seed.wrapping_add(run),
        heap::held() / 1024
    );
}
