//! `--wire`: every line both ways, in order, without secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::host::on_each_runtime;

#[test]
fn the_record_is_complete_and_in_order_and_has_no_secrets() {
    on_each_runtime(|host| {
        let mut server = host.bundled();
        server["env"]["API_KEY"] = json!("hunter2-hunter2");
        let config = host.config(&[("keyed", server)]);
        let wire = host.path("wire.log");
        // An earlier one goes, and with it the right of others to read it.
        host.file("wire.log", "something else");
        let arguments =
            r#"{"text": "my key is hunter2-hunter2, the \"password\": \"pass-word-1\"", "apiKey": "abcdef"}"#;
        let args = ["call", "keyed__echo", arguments, "--config", &config, "--wire", wire.to_str().unwrap()];
        host.run(&args).exits_with(1);

        let mode = fs::metadata(&wire).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let record = fs::read_to_string(&wire).unwrap();
        for secret in ["hunter2", "pass-word-1", "abcdef"] {
            assert!(!record.contains(secret), "{secret} is in {record}");
        }
        let lines: Vec<(&str, Value)> = record
            .lines()
            .map(|line| {
                let mut parts = line.splitn(4, ' ');
                let (time, server) = (parts.next().unwrap(), parts.next().unwrap());
                assert!(time.parse::<f64>().is_ok() && server == "keyed", "{line}");
                (parts.next().unwrap(), serde_json::from_str(parts.next().unwrap()).unwrap())
            })
            .collect();
        let at = |arrow: &str, test: &dyn Fn(&Value) -> bool| {
            lines.iter().position(|(way, message)| *way == arrow && test(message)).unwrap_or_else(|| panic!("{record}"))
        };
        let order = [
            at("->", &|message| message["method"] == "server/discover"),
            at("<-", &|message| message["result"]["supportedVersions"].is_array()),
            at("->", &|message| message["method"] == "tools/call"),
            at("<-", &|message| message["result"]["isError"] == true),
        ];
        assert!(order.is_sorted(), "{order:?} {record}");
    });
}

#[test]
fn a_record_that_cannot_be_written() {
    on_each_runtime(|host| {
        let path = "/no/such/directory/wire";
        host.run(&["list", "--wire", path]).exits_with(2).says(&[path, "--wire", "No such file"]);
        // The work goes on without it.
        let ended = host.run(&["call", "bundled__echo", r#"{"text": "x"}"#, "--wire", "/dev/full"]);
        let ended = ended.exits_with(0).says(&["/dev/full", "--wire", "No space left"]);
        assert_eq!(ended.stdout, "x\n");
    });
}
