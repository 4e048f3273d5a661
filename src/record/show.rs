//! A record for people: as a tree of calls, or summed up by method.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::calls::{Call, Calls};

/// What happens to a call besides being answered, from -1 on downwards: `std/ipc.lim`.
const ERRORS: [&str; 10] = [
    "Gone",
    "Restarted",
    "NotStarted",
    "TimedOut",
    "SessionLost",
    "BadMessage",
    "BadReply",
    "NoRoom",
    "Refused",
    "Crowded",
];

/// How a call ended, in a word; nothing if all is well.
pub(crate) fn ending(call: &Call) -> String {
    match (call.ended, call.status) {
        (None, _) => "not ended".to_owned(),
        (_, None) => "not known".to_owned(),
        (_, Some(0)) => String::new(),
        (_, Some(status)) => {
            let name = status.checked_neg().and_then(|place| ERRORS.get(usize::try_from(place).ok()?.checked_sub(1)?));
            name.map_or_else(|| format!("error {status}"), |name| (*name).to_owned())
        }
    }
}

/// Which calls are shown.
#[derive(Default)]
pub(crate) struct Filter {
    /// Those that one of these makes or answers; all if there are none.
    pub(crate) services: Vec<String>,
    /// Only those that failed.
    pub(crate) failed: bool,
}

impl Filter {
    pub(crate) fn takes(&self, call: &Call) -> bool {
        let is_named = |name: &String| *name == *call.caller || name == call.service();
        (self.services.is_empty() || self.services.iter().any(is_named))
            && (!self.failed || call.status.is_some_and(|status| status != 0))
    }
}

/// The calls that a filter takes, in the order in which they began. With `whole`, also all that lie within them.
pub(crate) fn chosen(calls: &Calls, filter: &Filter, whole: bool) -> Vec<usize> {
    let mut taken = vec![false; calls.all.len()];
    for (place, call) in calls.all.iter().enumerate() {
        taken[place] = filter.takes(call) || whole && call.within.is_some_and(|outer| taken[outer]);
    }
    (0..taken.len()).filter(|place| taken[*place]).collect()
}

/// How many of these calls lie around each of them.
fn depths(calls: &Calls, chosen: &[usize]) -> Vec<usize> {
    let mut depths: Vec<Option<usize>> = vec![None; calls.all.len()];
    for place in chosen {
        depths[*place] = Some(calls.all[*place].within.and_then(|outer| depths[outer]).map_or(0, |depth| depth + 1));
    }
    chosen.iter().filter_map(|place| depths[*place]).collect()
}

/// A tree: each call below that within which it was made.
pub(crate) fn tree(calls: &Calls, filter: &Filter) -> String {
    let chosen = chosen(calls, filter, true);
    let depths = depths(calls, &chosen);
    let unit = if calls.is_virtual { "KUNITS" } else { "US" };
    let mut text = format!("{:>16}  {:>10}  {:>10}  CALL\n", "TIME", format!("TOOK {unit}"), format!("WAIT {unit}"));
    for (place, depth) in in_order(calls, &chosen, &depths) {
        let call = &calls.all[place];
        let nested = "  ".repeat(depth);
        let mut line = format!(
            "{:>16}  {:>10}  {:>10}  {nested}{} -> {}",
            format!("{}.{:09}", call.begun / 1_000_000_000, call.begun % 1_000_000_000),
            thousandths(call.took()),
            thousandths(call.waited()),
            call.caller,
            call.called
        );
        let deferred = if call.was_deferred { "put off" } else { "" };
        for word in [deferred, &ending(call)].into_iter().filter(|word| !word.is_empty()) {
            // Writing into a text cannot fail.
            _ = write!(line, "  {word}");
        }
        text += &line;
        text.push('\n');
    }
    text
}

/// Places with their depths, each call right behind the one within which it was made and what came within that before.
fn in_order(calls: &Calls, chosen: &[usize], depths: &[usize]) -> Vec<(usize, usize)> {
    let depth: BTreeMap<usize, usize> = chosen.iter().copied().zip(depths.iter().copied()).collect();
    let mut below: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for place in chosen {
        match calls.all[*place].within.filter(|outer| depth.contains_key(outer)) {
            Some(outer) => below.entry(outer).or_default().push(*place),
            None => waiting.push(*place),
        }
    }
    waiting.reverse();
    let mut order = Vec::new();
    while let Some(place) = waiting.pop() {
        order.push((place, depth[&place]));
        waiting.extend(below.remove(&place).into_iter().flatten().rev());
    }
    order
}

/// Nanoseconds as microseconds.
fn thousandths(time: Option<u64>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{}.{:03}", time / 1000, time % 1000))
}

/// A call as an object.
pub(crate) fn object(call: &Call) -> Value {
    json!({
        "call": call.id,
        "within": call.client,
        "caller": &*call.caller,
        "service": call.service(),
        "method": call.called.rsplit_once('.').map_or("", |(_, method)| method),
        "begun": call.begun,
        "received": call.received,
        "ended": call.ended,
        "status": call.status,
        "deferred": call.was_deferred,
    })
}

/// A table of who called which method how often, and how long that took.
pub(crate) fn summary(calls: &Calls, filter: &Filter) -> String {
    let mut by_method: BTreeMap<(&str, &str), Vec<&Call>> = BTreeMap::new();
    for place in chosen(calls, filter, false) {
        let call = &calls.all[place];
        by_method.entry((&call.called, &call.caller)).or_default().push(call);
    }
    let heading = ["CALLED", "BY", "CALLS", "FAILED", "P50", "P99", "MOST"].map(str::to_owned);
    let rows = by_method.iter().map(|((called, caller), calls)| row(called, caller, calls));
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    rows.iter().fold(String::new(), |text, row| text + &aligned(row, &widths))
}

fn row(called: &str, caller: &str, calls: &[&Call]) -> [String; 7] {
    let failed = calls.iter().filter(|call| call.status.is_some_and(|status| status != 0)).count();
    let mut times: Vec<u64> = calls.iter().filter_map(|call| call.took()).collect();
    times.sort_unstable();
    let share =
        |percent: usize| thousandths(times.get((times.len() * percent / 100).min(times.len().max(1) - 1)).copied());
    [called.into(), caller.into(), calls.len().to_string(), failed.to_string(), share(50), share(99), share(100)]
}

/// The first two columns stand at the left.
fn aligned(row: &[String; 7], widths: &[usize; 7]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
        0 | 1 => format!("{cell:width$}"),
        _ => format!("{cell:>width$}"),
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
}

/// What is missing in a record, in words.
pub(crate) fn complaints(calls: &Calls) -> Vec<String> {
    let counted: u64 = calls.gaps.iter().filter_map(|gap| gap.events).sum();
    let events = if counted > 0 { counted.to_string() } else { "some".to_owned() };
    let more = if counted > 0 && calls.gaps.iter().any(|gap| gap.events.is_none()) { " or more" } else { "" };
    let first = calls.gaps.first().map(|gap| (gap.time / 1_000_000_000, gap.time % 1_000_000_000));
    let gaps = first.map(|(seconds, rest)| {
        let places = calls.gaps.len();
        format!("{events}{more} events are missing, in {places} places, the first at {seconds}.{rest:09}")
    });
    let cut = (!calls.is_whole).then(|| "the record ends without an end: what came last may be missing".to_owned());
    gaps.into_iter().chain(cut).collect()
}
