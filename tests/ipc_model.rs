//! The kernel's messages under a model: all orders of the steps of a few threads, driven through the real kernel. What holds after
//! each order is said in `tests/system/model.lim`; here are the scenarios. A step is a call of the kernel that is made when
//! its turn comes and runs until everybody waits, so the scope is: all orders of whole steps, not what happens within one
//! (the kernel is not interrupted), for two clients, of which one may serve the server, a server, and a list of acts from outside.

use limen_vm::{EngineKind, Mode, Outcome, Time};

use support::boot::{boot, boot_kernel, module};
use support::checked::checked_kernel;

mod support {
    pub(crate) mod boot;
    pub(crate) mod checked;
}

// Steps, as `tests/system/model.lim` numbers them.
const CALL: u64 = 1;
const CALL_IN_TIME: u64 = 2;
const SEND: u64 = 3;
const RECEIVE: u64 = 4;
const REPLY: u64 = 5;
const REPLY_RECEIVE: u64 = 6;
const DEFER: u64 = 7;
const ANSWER: u64 = 8;
const RECEIVE_IN_TIME: u64 = 9;
const LEND: u64 = 10;
const USE_LEND: u64 = 11;
const NEST: u64 = 12;
const RECEIVE_INNER: u64 = 13;
const ANSWER_AT_ONCE: u64 = 14;
const ANSWER_AND_LEAVE: u64 = 15;
const ASK_IN_ROW: u64 = 16;
const LEND_IN_ROW: u64 = 17;
const MIX_IN_ROW: u64 = 18;
const SERVE: u64 = 19;
const SERVE_INNER: u64 = 20;

// Acts.
const KILL: u64 = 1;
const RESTART: u64 = 2;
const REVOKE: u64 = 3;
const PASS: u64 = 4;
const KILL_SECOND: u64 = 5;
const ANY: u64 = 6;

/// The steps of the first client, the second, the server, and the acts.
type Scenario<'a> = [&'a [u64]; 4];

/// In how many orders steps can come, if those of each part stay in theirs.
fn orders(scenario: Scenario) -> u64 {
    let mut placed = 0;
    let mut orders = 1;
    for part in scenario {
        for step in 1..=part.len() as u64 {
            placed += 1;
            orders = orders * placed / step;
        }
    }
    orders
}

/// Runs a scenario in all its orders on every engine, and prints how many there were.
fn holds_in_all_orders(name: &str, scenario: Scenario) {
    holds_with(&[], name, scenario);
}

/// As [`holds_in_all_orders`], with these constants of the model set.
fn holds_with(constants: &[(&str, u64)], name: &str, scenario: Scenario) {
    let packed = |steps: &[u64]| steps.iter().rev().fold(0, |packed, step| packed << 8 | step);
    let names = ["FIRST_CLIENT", "SECOND_CLIENT", "SERVER", "ACTS"];
    let steps = names.into_iter().zip(scenario.map(packed));
    let settings: Vec<_> = steps.chain(constants.iter().copied()).collect();
    let model = module("tests/system/model.lim", Mode::User, &settings);
    let deeds = constants.iter().find(|(name, _)| *name == "DEEDS").map_or(1, |(_, deeds)| *deeds);
    let acts = if scenario[3].contains(&ANY) { ANY } else { 1 };
    let wanted = orders(scenario) * deeds * acts;
    println!("{name}: {wanted} orders");
    let modules = [model.clone(), model];
    for engine in EngineKind::ALL {
        let (outcome, _) = boot(&modules, engine, Time::Virtual);
        assert_eq!(outcome, Outcome::Halted(wanted as i32), "{name}, {}", engine.name());
    }
    let (outcome, _) = boot_kernel(&checked_kernel(), &modules, EngineKind::Tiered, Time::Virtual);
    assert_eq!(outcome, Outcome::Halted(wanted as i32), "{name}, by what is looked at");
}

#[test]
fn calls_and_answers() {
    let server: &[_] = &[RECEIVE, REPLY_RECEIVE, REPLY];
    holds_in_all_orders("calls and answers", [&[CALL, CALL], &[CALL], server, &[]]);
}

/// The second client is another server at the same endpoint.
#[test]
fn two_servers() {
    let (other, server): (&[_], &[_]) = (&[RECEIVE, REPLY], &[RECEIVE, REPLY_RECEIVE]);
    holds_in_all_orders("two servers", [&[CALL, CALL], other, server, &[]]);
    holds_in_all_orders("in time", [&[CALL, CALL_IN_TIME], other, server, &[PASS]]);
    holds_in_all_orders("and a kill", [&[CALL, CALL], other, server, &[KILL]]);
    holds_in_all_orders("and a restart", [&[CALL, CALL], other, server, &[RESTART]]);
    holds_in_all_orders("of a lend", [&[LEND, CALL], other, &[RECEIVE, USE_LEND, REPLY], &[]]);
}

#[test]
fn calls_in_time() {
    let server: &[_] = &[RECEIVE, REPLY_RECEIVE, REPLY];
    holds_in_all_orders("calls with a timeout", [&[CALL_IN_TIME], &[CALL], server, &[PASS]]);
    holds_in_all_orders("receiving with one", [&[CALL_IN_TIME], &[SEND], &[RECEIVE_IN_TIME, REPLY_RECEIVE], &[PASS]]);
}

#[test]
fn the_server_ends() {
    holds_in_all_orders("a kill", [&[CALL, CALL], &[CALL], &[RECEIVE, REPLY_RECEIVE], &[KILL]]);
    holds_in_all_orders("a restart", [&[CALL, CALL], &[SEND], &[RECEIVE, REPLY_RECEIVE], &[RESTART]]);
    holds_in_all_orders("two restarts", [&[CALL], &[CALL_IN_TIME], &[RECEIVE, REPLY], &[RESTART, RESTART]]);
}

#[test]
fn the_endpoint_ends() {
    holds_in_all_orders("a revocation", [&[CALL, CALL], &[CALL], &[RECEIVE, REPLY_RECEIVE], &[REVOKE]]);
    holds_in_all_orders("and a kill", [&[CALL], &[SEND], &[RECEIVE, REPLY_RECEIVE], &[REVOKE, KILL]]);
}

#[test]
fn answers_that_wait() {
    let server: &[_] = &[RECEIVE, DEFER, RECEIVE, ANSWER];
    holds_in_all_orders("putting off", [&[CALL], &[CALL], server, &[]]);
    holds_in_all_orders("in time", [&[CALL_IN_TIME, CALL], &[], &[RECEIVE, DEFER, ANSWER], &[PASS]]);
    holds_in_all_orders("and a kill", [&[CALL], &[CALL], &[RECEIVE, DEFER, RECEIVE], &[KILL]]);
    holds_in_all_orders("answered twice", [&[CALL], &[CALL], &[RECEIVE, DEFER, ANSWER, ANSWER], &[RESTART]]);
}

/// What the kernel need not write down: a call that is answered before anything else happens.
#[test]
fn answers_at_once() {
    let server: &[_] = &[ANSWER_AT_ONCE, REPLY];
    holds_in_all_orders("an answer at once", [&[CALL, CALL], &[CALL], server, &[]]);
    holds_in_all_orders(
        "again and again",
        [&[CALL, CALL], &[CALL, CALL], &[ANSWER_AT_ONCE, REPLY, ANSWER_AT_ONCE], &[]],
    );
    holds_in_all_orders("of a lend", [&[LEND], &[LEND], &[ANSWER_AT_ONCE, USE_LEND, REPLY, USE_LEND], &[]]);
    holds_in_all_orders("in time", [&[CALL_IN_TIME], &[CALL], server, &[PASS]]);
    holds_in_all_orders("and a restart", [&[CALL, CALL], &[CALL], server, &[RESTART]]);
    holds_in_all_orders("and a revocation", [&[CALL], &[CALL], server, &[REVOKE]]);
    holds_in_all_orders("and a deferred one", [&[CALL, CALL], &[], &[ANSWER_AT_ONCE, DEFER, ANSWER], &[KILL]]);
    holds_in_all_orders("and away", [&[CALL, LEND], &[NEST], &[ANSWER_AND_LEAVE, REPLY], &[]]);
    holds_in_all_orders("away, and a kill", [&[CALL], &[NEST], &[ANSWER_AND_LEAVE, REPLY], &[KILL]]);
    let (inner, outer): (&[_], &[_]) = (&[RECEIVE_INNER, REPLY], &[ANSWER_AT_ONCE, NEST, REPLY]);
    holds_in_all_orders("within a call", [&[CALL, CALL], inner, outer, &[]]);
}

/// What is lent can be used until the call is answered, by whomever and however, and not any more then.
#[test]
fn lends() {
    let server: &[_] = &[RECEIVE, USE_LEND, REPLY, USE_LEND];
    holds_in_all_orders("a lend", [&[LEND, CALL], &[CALL], server, &[]]);
    holds_in_all_orders("a lend and a kill", [&[LEND], &[LEND], server, &[KILL]]);
    holds_in_all_orders(
        "a lend and a restart",
        [&[LEND], &[CALL_IN_TIME], &[RECEIVE, USE_LEND, REPLY_RECEIVE], &[RESTART]],
    );
    holds_in_all_orders("and a revocation", [&[LEND], &[SEND], server, &[REVOKE]]);
    let late: &[_] = &[RECEIVE, DEFER, USE_LEND, ANSWER, USE_LEND];
    holds_in_all_orders("putting off", [&[LEND], &[], late, &[KILL]]);
    holds_in_all_orders("the lender ends", [&[CALL], &[LEND], server, &[KILL_SECOND]]);
    holds_in_all_orders("and the answer is put off", [&[], &[LEND], late, &[KILL_SECOND]]);
}

/// The server asks the second client before anything else happens.
#[test]
fn calls_within_calls_at_once() {
    let nests = &[("NESTS", 1)];
    let (inner, server): (&[_], &[_]) = (&[RECEIVE_INNER, REPLY], &[ANSWER_AT_ONCE, REPLY]);
    holds_with(nests, "at once", [&[CALL, CALL], inner, server, &[]]);
    holds_with(nests, "with a lend", [&[LEND], inner, &[ANSWER_AT_ONCE, USE_LEND], &[]]);
    holds_with(nests, "in time", [&[CALL_IN_TIME], inner, server, &[PASS]]);
    holds_with(nests, "and a kill", [&[CALL], inner, &[ANSWER_AT_ONCE], &[KILL]]);
    holds_with(nests, "and a restart", [&[CALL], inner, &[ANSWER_AT_ONCE], &[RESTART]]);
    holds_with(nests, "the inner server is killed", [&[CALL], inner, server, &[KILL_SECOND]]);
    holds_with(nests, "and a deferred one", [&[CALL], &[RECEIVE_INNER, DEFER, ANSWER], server, &[]]);
    holds_with(&[("NESTS", 2)], "to itself", [&[CALL, CALL_IN_TIME], &[], server, &[KILL, RESTART]]);
}

/// The server asks the second client on behalf of the first.
#[test]
fn calls_within_calls() {
    let (inner, server): (&[_], &[_]) = (&[RECEIVE_INNER, REPLY], &[RECEIVE, NEST, REPLY]);
    holds_in_all_orders("a call within a call", [&[CALL, CALL], inner, server, &[]]);
    holds_in_all_orders("in time", [&[CALL_IN_TIME], inner, server, &[PASS]]);
    holds_in_all_orders("and a kill", [&[CALL], inner, &[RECEIVE, NEST], &[KILL]]);
    holds_in_all_orders("and a restart", [&[CALL_IN_TIME], inner, &[RECEIVE, NEST], &[RESTART]]);
    holds_in_all_orders("the inner server is killed", [&[CALL], inner, server, &[KILL_SECOND]]);
    holds_in_all_orders("both are", [&[CALL], &[RECEIVE_INNER], &[RECEIVE, NEST], &[KILL, KILL_SECOND]]);
    holds_in_all_orders("with a lend", [&[LEND], inner, &[RECEIVE, NEST, USE_LEND], &[KILL_SECOND]]);
    holds_in_all_orders(
        "and a lend that is put off",
        [&[LEND], &[RECEIVE_INNER], &[RECEIVE, DEFER, NEST, ANSWER], &[KILL_SECOND]],
    );
}

/// Calls in a row are those that the kernel knows: from the second or the third on nothing is looked at any more.
#[test]
fn calls_in_a_row() {
    for (name, row) in [("calls", ASK_IN_ROW), ("lends", LEND_IN_ROW), ("both", MIX_IN_ROW)] {
        holds_in_all_orders(name, [&[row], &[CALL], &[SERVE, USE_LEND, REPLY], &[ANY]]);
        holds_in_all_orders(&format!("{name}, of two clients"), [&[row], &[MIX_IN_ROW], &[SERVE, SERVE], &[ANY]]);
    }
}

/// The server asks the second client each time, which may ask somebody in its turn, also the server; or itself, or somebody who is
/// always there.
#[test]
fn calls_in_a_row_within_others() {
    for (nests, inner) in [(1, SERVE_INNER), (3, SERVE_INNER), (2, CALL), (4, MIX_IN_ROW), (5, SERVE_INNER)] {
        let scenario: Scenario = [&[ASK_IN_ROW, LEND_IN_ROW], &[inner], &[SERVE, REPLY], &[ANY]];
        holds_with(&[("NESTS", nests)], &format!("in a row within {nests}"), scenario);
    }
}

/// Whom a server asks before it answers, and what the second client does meanwhile.
const NESTED: [(u64, u64); 4] = [(0, CALL), (0, NEST), (4, CALL), (3, SERVE_INNER)];

/// Whatever a server does while it has a call that the kernel knows.
#[test]
fn deeds_while_a_call_is_known() {
    for (nests, second) in NESTED {
        let settings = [("DEEDS", 32), ("MEANWHILE", 1), ("NESTS", nests)];
        let scenario: Scenario = [&[MIX_IN_ROW], &[second], &[SERVE], &[ANY]];
        holds_with(&settings, &format!("meanwhile, within {nests}, beside {second}"), scenario);
    }
}

/// Whatever a client does between calls that the kernel knows.
#[test]
fn deeds_between_known_calls() {
    for nests in [0, 4] {
        let settings = [("DEEDS", 19), ("BETWEEN", 1), ("NESTS", nests)];
        let scenario: Scenario = [&[MIX_IN_ROW], &[CALL], &[SERVE], &[ANY]];
        holds_with(&settings, &format!("between, within {nests}"), scenario);
    }
}

/// Steps and acts come while a call is under way that the kernel knows.
#[test]
fn known_calls_are_interrupted() {
    for (nests, second) in NESTED {
        let settings = [("DEEDS", 32), ("MEANWHILE", 1), ("NESTS", nests), ("ABOVE", 1)];
        let scenario: Scenario = [&[MIX_IN_ROW], &[second], &[SERVE], &[ANY]];
        holds_with(&settings, &format!("interrupted, within {nests}, beside {second}"), scenario);
    }
}
