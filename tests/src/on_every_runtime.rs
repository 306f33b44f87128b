//! One case, a test on each runtime.

/// Makes a test of each case on each runtime. The modules' names are the runtimes', and `.ci` looks for them.
#[macro_export]
#[expect(clippy::crate_in_macro_def, reason = "the rows are modules of the caller's")]
macro_rules! on_every_runtime {
    ($($row:ident { $($case:ident)+ })+) => {
        $crate::on_every_runtime!(@on tokio_ct TokioCt $($row { $($case)+ })+);
        $crate::on_every_runtime!(@on tokio_mt TokioMt $($row { $($case)+ })+);
        // No unsafe code of ours is in tasks of tokio's own, and a sanitizer makes everything twice as large.
        #[cfg(not(scope_sanitized))]
        $crate::on_every_runtime!(@on tokio_own TokioOwn $($row { $($case)+ })+);
        $crate::on_every_runtime!(@on smol Smol $($row { $($case)+ })+);
        $crate::on_every_runtime!(@on det Det $($row { $($case)+ })+);
    };
    (@on $module:ident $runtime:ident $($row:ident { $($case:ident)+ })+) => {
        mod $module {
            use $crate::{Rt, $runtime};

            $($(
                #[test]
                fn $case() {
                    $runtime::check(stringify!($case), crate::$row::$case::<$runtime>);
                }
            )+)+
        }
    };
}
