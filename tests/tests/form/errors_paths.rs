//! Each leaf has its path of scope and task names, outermost first.

use scope_core::{Failure, ScopeError, Spawns, nursery};

use super::harness::{assert_send, everywhere, on_runtimes, turn};

fn paths(error: &ScopeError) -> Vec<String> {
    error.all_leaves().iter().map(|leaf| leaf.path().to_string()).collect()
}

#[test]
fn the_body_is_the_scope_itself() {
    let program = async || {
        let error = nursery(async |_| -> Result<(), _> { Err(Failure::msg("x")) }).named("only").await.unwrap_err();
        paths(&error)
    };
    assert_send(&program());
    everywhere(program, vec!["only".to_owned()]);
}

async fn leaf_deep_inside() -> Vec<String> {
    let error = nursery(async |n| {
        n.task("server").spawn_local(async {
            nursery(async |n| {
                n.task("reader").spawn_local(async {
                    turn().await;
                    Err("connection reset")?
                });
                Ok(())
            })
            .named("session")
            .await?;
            Ok(())
        });
        Ok(())
    })
    .named("main")
    .await
    .unwrap_err();
    assert_eq!(error.leaves().len(), 1);
    assert_eq!(error.leaves()[0].path().to_string(), "main > server");
    paths(&error)
}

#[test]
fn a_leaf_deep_inside() {
    assert_send(&leaf_deep_inside());
    everywhere(leaf_deep_inside, vec!["main > server > session > reader".to_owned()]);
}

#[test]
fn a_nursery_nested_in_a_body() {
    let program = async || {
        let error = nursery(async |_| {
            nursery(async |n| {
                n.task("worker").spawn_local(async { Err("no")? });
                Ok(())
            })
            .named("inner")
            .await?;
            Ok(())
        })
        .named("outer")
        .await
        .unwrap_err();
        paths(&error)
    };
    assert_send(&program());
    everywhere(program, vec!["outer > inner > worker".to_owned()]);
}

#[test]
fn parallel_children_have_theirs() {
    let program = async || {
        let error = nursery(async |n| {
            n.task("parallel").spawn_erased(async {
                nursery(async |n| {
                    n.task("same task").spawn_local(async {
                        turn().await;
                        Err("no")?
                    });
                    Ok(())
                })
                .named("within")
                .await?;
                Ok(())
            });
            Ok(())
        })
        .named("start")
        .await
        .unwrap_err();
        // Below whatever the harness has put around it.
        let path = paths(&error).remove(0);
        path[path.find("start").unwrap()..].to_owned()
    };
    assert_send(&program());
    on_runtimes(program, "start > parallel > within > same task".to_owned());
}

#[test]
fn a_name_made_at_run_time() {
    let program = async || {
        let error = nursery(async |n| {
            for number in 0..3 {
                n.task(format!("worker {number}")).spawn_local(async move {
                    turn().await;
                    if number == 1 {
                        Err("no")?
                    }
                    Ok(())
                });
            }
            Ok(())
        })
        .named(String::from("pool"))
        .await
        .unwrap_err();
        paths(&error)
    };
    assert_send(&program());
    everywhere(program, vec!["pool > worker 1".to_owned()]);
}

#[test]
fn a_leaf_names_the_place_that_spawned_it() {
    let program = async || {
        let mut line = 0;
        let error = nursery(async |n| {
            line = line!() + 1;
            n.spawn_local(async { Err("no")? });
            Ok(())
        })
        .await
        .unwrap_err();
        let place = error.leaves()[0].location();
        (place.file() == file!(), place.line() == line)
    };
    assert_send(&program());
    everywhere(program, (true, true));
}
