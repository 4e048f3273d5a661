//! Services that mean harm. Each has a scenario in `tests/system/hostile`, in which the first domain starts it beside others
//! and looks at what these get of time, memory and answers, and at what the accounts say afterwards. The kernel goes on, always.

use std::env;

use limen_vm::{EngineKind, Mode, Outcome, Time};

use support::boot::{Settings, boot, boot_kernel, module};
use support::checked::checked_kernel;

mod support {
    pub(crate) mod boot;
    pub(crate) mod checked;
}

/// Boots a scenario on every engine; in virtual time all must burn the same. What it measures by counting it measures in
/// virtual time only, and what hangs, too: by the host's clock it would be the host's load that is measured.
fn is_held(name: &str, times: &[Time], settings: Settings) {
    let scenario = module(&format!("tests/system/hostile/{name}.lim"), Mode::User, settings);
    let modules = [scenario.clone(), scenario];
    let mut burnt = None;
    for engine in EngineKind::ALL {
        for time in times {
            let (outcome, fuel) = boot(&modules, engine, *time);
            assert_eq!(outcome, Outcome::Halted(0), "{name}, {}, {time:?}", engine.name());
            if *time == Time::Virtual {
                assert_eq!(*burnt.get_or_insert(fuel), fuel, "{name}, {}", engine.name());
            }
        }
    }
    let (outcome, _) = boot_kernel(&checked_kernel(), &modules, EngineKind::Tiered, Time::Virtual);
    assert_eq!(outcome, Outcome::Halted(0), "{name}, by what is looked at");
}

const ALWAYS: &[Time] = &[Time::Virtual, Time::Live];
const COUNTED: &[Time] = &[Time::Virtual];

/// A test for each scenario.
macro_rules! scenarios {
    ($($(#[$comment:meta])* $name:ident: $times:ident,)*) => {
        $($(#[$comment])* #[test] fn $name() { is_held(stringify!($name), $times, &[]); })*
    };
}

scenarios! {
    /// A server ends the view that it was lent, moves it on, or keeps it.
    lends: ALWAYS,
    /// Domains leave their memory full, and others are given it.
    leavings: ALWAYS,
    /// Accounts are closed in every order, and have too little for what they are to pay.
    accounts: ALWAYS,
    /// A thread that has never lent anything lends nothing.
    nothing: ALWAYS,
    /// A server answers twice, and answers calls of others.
    replies: ALWAYS,
    /// A client forges a badge and takes rights.
    badges: ALWAYS,
    /// Somebody receives with what is no endpoint.
    receivers: ALWAYS,
    /// An `svc` comes when the stack is almost full.
    stacks: ALWAYS,
    /// Whoever is told of a fault faults.
    watchers: ALWAYS,
    /// Endless loops at a high level, with a budget and without, and ways to have more time than that.
    hogs: COUNTED,
    /// Threads, memory and references without end.
    bombs: COUNTED,
    /// Servers work for those whose budgets are used up, and ask others.
    overdrawn: COUNTED,
    /// A server's own budget is used up, too, at each moment.
    spent: COUNTED,
    /// Many callers and senders at one endpoint.
    floods: COUNTED,
    /// A client with many threads fills a queue.
    queues: COUNTED,
    /// Servers do what was sent to them while the sender could go on, and for longer than its budget lasts.
    senders: COUNTED,
    /// Whoever is high waits for who is low, while somebody between them has all the time.
    inversion: COUNTED,
    /// Lenders end while servers have what they have lent.
    heirs: COUNTED,
    /// Servers that never answer.
    hung: COUNTED,
    /// Services without threads that fault, hang, never answer, call themselves, and are killed with callers inside.
    passive: ALWAYS,
    /// A lender's account has no room for anything any more.
    worn: ALWAYS,
    /// Memory that is lent changes, and the lender is gone in the middle of a call.
    vanishing: ALWAYS,
}

/// What a variable of the environment says, or the default.
fn knob(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text} is no number")))
}

/// Every number of a call with every sort of reference. `LIMEN_GUESSES_CASES` guessers, from the seed `LIMEN_GUESSES_SEED` on.
#[test]
fn guesses() {
    let (cases, seed) = (knob("LIMEN_GUESSES_CASES", 12), knob("LIMEN_GUESSES_SEED", 1));
    println!("LIMEN_GUESSES_CASES={cases} LIMEN_GUESSES_SEED={seed}");
    is_held("guesses", COUNTED, &[("CASES", cases), ("SEED", seed)]);
}
