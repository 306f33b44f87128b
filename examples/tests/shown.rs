//! Each example prints what its first lines say, and the README shows the first one as it is.
//!
//! `cargo test -p examples` builds the examples before it runs this; they lie beside this test's own program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use scope_mcp::model::ContentBlock;
use scope_mcp::{Client, ClientOptions, ServerSpec};
use serde_json::json;

/// An example prints within milliseconds; one that has not ended by then hangs.
const HANG_BOUND: Duration = Duration::from_secs(60);

fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where it lies");
    let built = own.parent().and_then(Path::parent).expect("tests are built two folders down");
    let program = built.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{} is not built: run `cargo test -p examples`", program.display());
    program
}

fn run(name: &'static str) -> Output {
    let child = Command::new(program(name))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let (give, take) = mpsc::channel();
    thread::spawn(move || give.send(child.wait_with_output()));
    take.recv_timeout(HANG_BOUND).unwrap_or_else(|_| panic!("{name} hangs")).expect("its output can be read")
}

fn source(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{name}.rs"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The block of text in an example's first lines.
fn promised(name: &str) -> String {
    source(name)
        .lines()
        .skip_while(|line| *line != "//! ```text")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| format!("{}\n", line.strip_prefix("//! ").expect("a line of the block")))
        .collect()
}

#[track_caller]
fn prints_what_it_promises(name: &'static str) {
    let promised = promised(name);
    assert!(!promised.is_empty(), "{name} shows in its first lines what it prints");
    let output = run(name);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), promised, "{name}");
    assert!(output.status.success(), "{name}: {}", output.status);
}

#[test]
fn first() {
    let output = run("first");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "startup > cache: connection refused\n");
    assert!(output.status.success());
    assert!(source("first").starts_with("//! Prints `startup > cache: connection refused`"));
}

#[track_caller]
fn assert_shown_in_the_readme(name: &str) {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("there is a README");
    let source = source(name);
    let (_, program) = source.split_once('\n').expect("its first line says what it is");
    assert!(
        readme.contains(&format!("```rust\n{program}```")),
        "README.md shows another program than {name}.rs:\n{program}"
    );
}

#[test]
fn the_readme_shows_the_first_one() {
    assert_shown_in_the_readme("first");
}

#[test]
fn the_readme_shows_the_calculator_and_it_divides() {
    assert_shown_in_the_readme("calculator");
    let spec = ServerSpec::new("calculator", program("calculator").display().to_string());
    let (tools, half, none, misfit) = scope_tokio::run(async |n| {
        let client = Client::open(n, spec, ClientOptions::default()).await?;
        let tools = client.list_tools().await?;
        let half = client.call_tool("divide", &json!({ "dividend": 1, "divisor": 2 })).await?;
        let none = client.call_tool("divide", &json!({ "dividend": 1, "divisor": 0 })).await?;
        let misfit = client.call_tool("divide", &json!({ "dividend": 1, "divisor": "two" })).await?;
        client.close().await?;
        Ok((tools, half, none, misfit))
    })
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(tools[0].input_schema["properties"]["divisor"]["description"], "Not 0.");
    assert_eq!(half.content, [ContentBlock::text("0.5")]);
    assert_eq!((none.is_error(), none.content), (true, vec![ContentBlock::text("nothing can be divided by 0")]));
    let told = "the arguments of \"divide\" do not fit: at /divisor: the value is not of type \"number\"";
    assert_eq!((misfit.is_error(), misfit.content), (true, vec![ContentBlock::text(told)]));
}

#[test]
fn siblings() {
    prints_what_it_promises("siblings");
}

#[test]
fn finalizer() {
    prints_what_it_promises("finalizer");
}

#[test]
fn deadline() {
    prints_what_it_promises("deadline");
}

#[test]
fn service() {
    prints_what_it_promises("service");
}

#[test]
fn mcp_server_serves_on_either_runtime() {
    for runtime in ["tokio", "smol"] {
        let spec = ServerSpec::new("example", program("mcp_server").display().to_string()).args([runtime]);
        let (quotient, report) = scope_tokio::run(async |n| {
            let client = Client::open(n, spec, ClientOptions::default()).await?;
            let quotient = client.call_tool("divide", &json!({"a": 21, "b": 2})).await?;
            Ok((quotient, client.close().await?))
        })
        .unwrap_or_else(|error| panic!("on {runtime}: {error}"));
        assert_eq!(quotient.content, [ContentBlock::text("10.5")], "on {runtime}");
        assert!(report.is_polite(), "on {runtime}: {report:#}");
        assert_eq!(report.stderr_tail, ["the client ended it"], "on {runtime}");
    }
}

#[test]
fn mcp_server_knows_no_other_runtime() {
    let output = Command::new(program("mcp_server")).arg("embassy").stdin(Stdio::null()).output();
    let output = output.expect("it can be started");
    let said = "there is no runtime \"embassy\"; usage: mcp_server [tokio|smol]\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), said);
    assert_eq!(output.status.code(), Some(2));
}
