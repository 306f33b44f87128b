//! `scope-mcp demo`.

use crate::host::{is_alive, on_each_runtime};

#[test]
fn the_demo_leaves_nothing_running() {
    on_each_runtime(|host| {
        let ended = host.run(&["demo"]).exits_with(0).says_nothing();
        assert!(ended.stdout.ends_with("\nprocesses left: 0\n"), "{ended:?}");
        let mut rest = ended.stdout.as_str();
        for part in
            ["demo: opened", "one is open", "two is open", "user 4 ended", "closer", "one is closed", "two is closed"]
                .into_iter()
                .chain(["demo: closed", "nursery demo, 2 services", "- user 4 (spawned at", "processes left: 0"])
        {
            let (_, after) = rest.split_once(part).unwrap_or_else(|| panic!("{part:?} is missing: {ended:?}"));
            rest = after;
        }
        let servers = ended.servers();
        assert!(servers.len() >= 2, "{ended:?}");
        for server in servers {
            assert!(!is_alive(server), "{server} is alive: {ended:?}");
        }
    });
}

#[test]
fn a_planted_survivor_is_counted() {
    on_each_runtime(|host| {
        let ended = host.run(&["demo", "--plant-survivor"]).exits_with(3);
        assert!(ended.stdout.ends_with("\nprocesses left: 1\n"), "{ended:?}");
        let ended = ended.says(&["1 process", "sleep"]);
        for server in ended.servers() {
            assert!(!is_alive(server), "{server} is alive: {ended:?}");
        }
    });
}
