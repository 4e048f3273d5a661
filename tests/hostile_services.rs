//! Services that mean harm. Each has a scenario in `tests/system/hostile`, in which the first domain starts it beside others
//! and looks at what these get of time, memory and answers, and at what the accounts say afterwards. The kernel goes on, always.

use std::panic::{AssertUnwindSafe, catch_unwind};

use limen_vm::{EngineKind, Mode, Outcome, Time};

use support::boot::{boot, module};

mod support {
    pub(crate) mod boot;
}

/// Boots a scenario with these constants on every engine, in both times; in virtual time all must burn the same.
fn is_held(name: &str) {
    let path = format!("tests/system/hostile/{name}.lim");
    let scenario = module(&path, Mode::User, &[]);
    let mut burnt = None;
    for engine in EngineKind::ALL {
        for time in [Time::Virtual, Time::Live] {
            let case = || boot(&[scenario.clone(), scenario.clone()], engine, time);
            let (outcome, fuel) = catch_unwind(AssertUnwindSafe(case)).expect("the machine boots");
            assert_eq!(outcome, Outcome::Halted(0), "{name}, {}, {time:?}", engine.name());
            if time == Time::Virtual {
                assert_eq!(*burnt.get_or_insert(fuel), fuel, "{name}, {}", engine.name());
            }
        }
    }
}

/// A test for each scenario.
macro_rules! scenarios {
    ($($(#[$comment:meta])* $name:ident)*) => {
        $($(#[$comment])* #[test] fn $name() { is_held(stringify!($name)); })*
    };
}

scenarios! {
    /// A server ends the view that it was lent, moves it on, or keeps it.
    lends
    /// Accounts are closed in every order, and have too little for what they are to pay.
    accounts
    /// A server answers twice, and answers calls of others.
    replies
    /// A client forges a badge and takes rights.
    badges
    /// Somebody receives with what is no endpoint.
    receivers
    /// An `svc` comes when the stack is almost full.
    stacks
    /// Whoever is told of a fault faults.
    watchers
}
