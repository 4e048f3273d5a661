//! Machines that go on from nothing but the bytes of a snapshot.

use limen_vm::{Config, EngineKind, Machine, NoServices, Outcome, Snapshot};

/// A machine that has nothing of this one but the bytes of its snapshot, and no fuel.
pub(crate) fn restored(machine: &mut Machine, engine: EngineKind) -> Machine {
    let bytes = machine.checkpoint().expect("it was suspended").write().expect("its modules came from sources");
    let snapshot = Snapshot::read(&bytes).unwrap_or_else(|error| panic!("a machine's own snapshot: {error}"));
    let config = Config { engine, fuel: Some(0), ..snapshot.config() };
    let mut restored = limen_jit::restore(config, &snapshot).expect("the budget is as it was");
    let again = restored.checkpoint().expect("it is suspended").write();
    assert!(again.as_ref() == Ok(&bytes), "a restored machine has another state");
    restored
}

/// Lets a machine that no host serves go on to its end: in pieces of so much fuel, each in a new machine under the next engine,
/// of which there are at most so many.
#[allow(dead_code, reason = "not every test that restores machines lets them go on like this")]
pub(crate) fn to_the_end(
    mut machine: Machine,
    first: Outcome,
    engines: &[EngineKind],
    (piece, most): (u64, u64),
) -> (Machine, Outcome) {
    let (mut outcome, mut engines, mut left) = (first, engines.iter().copied().cycle(), most);
    while outcome == Outcome::OutOfFuel {
        if left > 0 {
            left -= 1;
            machine = restored(&mut machine, engines.next().unwrap_or_default());
        }
        machine.add_fuel(piece);
        outcome = machine.resume(&mut NoServices).expect("it was suspended");
    }
    (machine, outcome)
}
