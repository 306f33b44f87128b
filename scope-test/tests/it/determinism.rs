use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scope_test::{Config, Explored, TestRuntime, yield_now};

/// Tasks that yield, sleep, spawn and do blocking work: something of everything that a seed decides.
async fn busy(rt: TestRuntime) -> Vec<u32> {
    let order = Arc::new(Mutex::new(Vec::new()));
    for n in 0..6 {
        let (rt2, order) = (rt.clone(), order.clone());
        rt.spawn(async move {
            yield_now().await;
            rt2.sleep(Duration::from_millis(u64::from(n % 3))).await;
            order.lock().unwrap().push(n);
            let late = order.clone();
            rt2.spawn_blocking(move || late.lock().unwrap().push(100 + n)).unwrap();
            let late = order.clone();
            rt2.spawn(async move { late.lock().unwrap().push(200 + n) }).unwrap();
        })
        .unwrap();
    }
    rt.sleep(Duration::from_secs(1)).await;
    std::mem::take(&mut order.lock().unwrap())
}

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    for seed in 0..64 {
        let first = Config::new(seed).try_block_on(busy);
        let second = Config::new(seed).try_block_on(busy);
        assert_eq!(first.result().unwrap(), second.result().unwrap());
        assert_eq!(first.trace().to_string(), second.trace().to_string());
        assert_eq!(first.trace().fingerprint(), second.trace().fingerprint());
        assert_eq!(first.steps(), second.steps());
        assert!(first.trace().len() > 20);
    }
}

#[test]
fn different_seeds_give_different_interleavings() {
    let orders: HashSet<_> = (0..64).map(|seed| Config::new(seed).block_on(busy)).collect();
    assert!(orders.len() > 60, "only {} orders from 64 seeds", orders.len());
    let explored = scope_test::for_each_seed(0..64, async |rt| drop(busy(rt).await));
    assert_eq!(explored.runs, 64);
    assert!(explored.interleavings > 60, "{explored:?}");
}

#[test]
fn all_orders_of_three_tasks_are_found() {
    let mut orders = HashSet::new();
    for seed in 0..256 {
        orders.insert(scope_test::block_on(seed, async |rt| {
            let order = Arc::new(Mutex::new(Vec::new()));
            for n in 0..3 {
                let order = order.clone();
                rt.spawn(async move { order.lock().unwrap().push(n) }).unwrap();
            }
            rt.sleep(Duration::from_nanos(1)).await;
            std::mem::take(&mut *order.lock().unwrap())
        }));
    }
    assert_eq!(orders.len(), 6);
}

#[test]
fn numbers_drawn_by_the_test_are_seeded_and_leave_the_order_alone() {
    let draw = |seed, draws: usize| {
        Config::new(seed).try_block_on(async move |rt: TestRuntime| {
            let drawn: Vec<_> = (0..draws).map(|_| rt.random_below(1000)).collect();
            (drawn, busy(rt).await)
        })
    };
    let (none, some, again, other) = (draw(1, 0), draw(1, 50), draw(1, 50), draw(2, 50));
    assert_eq!(none.trace().fingerprint(), some.trace().fingerprint());
    assert_eq!(some.result().unwrap().0, again.result().unwrap().0);
    assert_ne!(some.result().unwrap().0, other.result().unwrap().0);
}

#[test]
fn a_plain_closure_that_returns_a_future_will_do() {
    assert_eq!(scope_test::block_on(9, |rt: TestRuntime| async move { rt.seed() }), 9);
}

#[test]
fn the_root_may_borrow_and_need_not_be_send() {
    let mut text = String::from("borrowed");
    let local = std::rc::Rc::new(());
    scope_test::block_on(0, async |_| {
        yield_now().await;
        text.push_str(" and changed");
        drop(local);
    });
    assert_eq!(text, "borrowed and changed");
}

/// Runs `tasks` tasks that each take one step, with `runs` seeds: in how many orders they ran, and what was covered.
fn race(tasks: usize, runs: u64) -> (usize, Explored) {
    let mut orders = HashSet::new();
    let explored = scope_test::for_each_seed(0..runs, async |rt| {
        let order = Arc::new(Mutex::new(Vec::new()));
        for n in 0..tasks {
            let order = order.clone();
            rt.spawn(async move { order.lock().unwrap().push(n) }).unwrap();
        }
        rt.sleep(Duration::from_nanos(1)).await;
        orders.insert(std::mem::take(&mut *order.lock().unwrap()));
    });
    (orders.len(), explored)
}

#[test]
fn as_many_seeds_as_there_are_orders_take_each_of_them_once() {
    for (tasks, orders) in [(2, 2), (3, 6), (4, 24), (5, 120)] {
        let (found, explored) = race(tasks, orders as u64);
        assert_eq!((found, explored.interleavings), (orders, orders));
        assert_eq!(explored.first_choices, tasks - 1);
        assert!(explored.exhaustive);
    }
}

#[test]
fn with_fewer_seeds_than_orders_the_first_choices_come_in_all_combinations_and_are_counted() {
    // 6 * 5 * 4 of 720: one seed less, and the third choice is not complete.
    for (runs, first_choices) in [(719, 4), (120, 3), (119, 2), (30, 2), (29, 1), (6, 1), (5, 0)] {
        let (found, explored) = race(6, runs);
        assert_eq!(explored.first_choices, first_choices, "of {runs} runs");
        assert_eq!(found, runs as usize, "no order twice");
        assert!(!explored.exhaustive);
    }
}

#[test]
fn a_test_without_a_choice_is_explored_by_one_run() {
    let explored = scope_test::explore(1, async |_| Ok(scope_core::sleep(Duration::from_secs(1)).await?));
    assert_eq!((explored.runs, explored.first_choices, explored.exhaustive), (1, 0, true));
}
