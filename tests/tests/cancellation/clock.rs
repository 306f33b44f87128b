//! Time that passes while nobody waits for it.

use std::thread;
use std::time::Duration;

use scope_test::TestRuntime;
use scope_tests::Rt;

/// Lets `time` pass by the runtime's clock, and somewhat more, without an await point: the task that calls is busy.
pub(crate) fn busy_for<R: Rt>(time: Duration) {
    if R::VIRTUAL {
        TestRuntime::current().advance(time);
    } else {
        let until = R::now() + time;
        while R::now() <= until {
            // It is about time that passes, and nothing else.
            thread::sleep(Duration::from_millis(1));
        }
    }
}
