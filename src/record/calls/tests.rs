//! From events to a file and back.

use crate::record::event::{Event, bytes};
use crate::record::names::Names;
use crate::record::show::{Filter, complaints, ending, summary, tree};
use crate::record::writer::Writer;

use super::*;

const ASKER: u32 = 1;
const STORE: u32 = 2;
const LOG: u32 = 3;

/// An event of a call of a thread's: the time, what, who calls whom and which of its calls that is, the status, on whose behalf
/// and with whom it is.
fn event(
    time: u32,
    what: u32,
    [caller, endpoint, call]: [u32; 3],
    status: i32,
    client: [u32; 2],
    server: u32,
) -> Event {
    let [client, clients_call] = client;
    let words = [
        time,
        0,
        what,
        caller,
        endpoint,
        1,
        status as u32,
        0,
        caller * 128,
        call,
        client * 128,
        clients_call,
        server * 128,
        server,
    ];
    Event::read(&bytes(words)).expect("such a thing can happen")
}

/// A call of `store` by 1 within which it calls `log`, which answers with an error.
fn record() -> String {
    let (outer, inner, none) = ([ASKER, STORE, 7], [STORE, LOG, 9], [0, 0]);
    let events = [
        event(1000, 1, outer, 0, none, 0),
        event(1500, 4, outer, 0, none, STORE),
        event(2000, 1, inner, 0, [ASKER, 7], 0),
        event(2001, 4, inner, 0, [ASKER, 7], LOG),
        event(2500, 2, inner, -4, [ASKER, 7], LOG),
        event(4250, 2, outer, 0, none, STORE),
    ];
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, Names::of(&[]), "live").expect("there is room");
    events.iter().for_each(|event| writer.event(event).expect("there is room"));
    writer.lose(Some(3)).expect("there is room");
    writer.event(&event(9000, 1, [ASKER, LOG, 8], 0, none, 0)).expect("there is room");
    writer.finish().expect("there is room");
    String::from_utf8(file).expect("it is text")
}

#[test]
fn a_record_is_an_array_whose_slices_lie_within_each_other() {
    let whole: Vec<Value> = serde_json::from_str(&record()).expect("it is one array");
    let mut open: HashMap<(u64, u64), Vec<u64>> = HashMap::new();
    let mut last = 0.0;
    for event in &whole {
        let track = || (event["pid"].as_u64().expect("a number"), event["tid"].as_u64().expect("a number"));
        last = event["ts"].as_f64().inspect(|ts| assert!(*ts >= last)).unwrap_or(last);
        let call = &event["args"]["call"];
        match event["ph"].as_str().expect("a phase") {
            "B" => open.entry(track()).or_default().push(call.as_u64().expect("a call")),
            "E" => assert_eq!(open.get_mut(&track()).and_then(Vec::pop), call.as_u64()),
            _ => {}
        }
    }
    assert!(open.values().all(Vec::is_empty));
}

#[test]
fn calls_are_read_as_they_were_written() {
    let calls = Calls::read(record().as_bytes()).expect("it is a record");
    let seen = calls
        .all
        .iter()
        .map(|call| (call.within, &*call.caller, call.service(), call.waited(), call.took(), ending(call)));
    let wanted = [
        (None, "#1", "#2", Some(500), Some(3250), String::new()),
        (Some(0), "#2", "#3", Some(1), Some(500), "TimedOut".to_owned()),
        (None, "#1", "#3", None, Some(0), "not known".to_owned()),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), wanted);
    assert_eq!(calls.gaps, [Gap { time: 4250, events: Some(3) }]);
    assert!(calls.is_whole);
    assert_eq!(complaints(&calls).len(), 1);
}

#[test]
fn a_record_that_was_cut_is_good_up_to_its_last_whole_line() {
    let record = record();
    let all = Calls::read(record.as_bytes()).expect("it is a record").all.len();
    for end in record.find("},\n").expect("it has lines") + 3..record.len() {
        let calls = Calls::read(&record.as_bytes()[..end]).expect("what is there is sound");
        assert!(calls.all.len() <= all && !calls.is_whole && !complaints(&calls).is_empty());
    }
}

#[test]
fn what_is_no_record_is_refused() {
    let record = record();
    let refused = |text: &str| Calls::read(text.as_bytes()).expect_err("it is none").to_string();
    for other in ["", "[\n", "{}\n", "[\n{\"ph\":\"M\"},\n", "\0\n"] {
        assert!(refused(other).contains("no record of calls"), "{other:?}");
    }
    assert!(refused(&record.replace("\"version\":1", "\"version\":9")).contains("version 9"));
    assert_eq!(refused(&record.replace("\"ts\":1.500,", "\"ts\":-1,")), "line 9 is damaged: the time is missing");
    assert!(refused(&record.replace("\"ph\":\"B\"", "\"ph\":\"Q\"")).contains("is damaged"));
}

#[test]
fn calls_are_shown_as_a_tree_and_summed_up() {
    let calls = Calls::read(record().as_bytes()).expect("it is a record");
    let all = tree(&calls, &Filter::default());
    let lines: Vec<&str> = all.lines().map(str::trim_start).collect();
    assert_eq!(lines[1], "0.000001000       3.250       0.500  #1 -> #2.1");
    assert_eq!(lines[2], "0.000002000       0.500       0.001    #2 -> #3.1  TimedOut");
    assert_eq!(lines[3], "0.000009000       0.000           -  #1 -> #3.1  not known");
    let failed = tree(&calls, &Filter { failed: true, ..Filter::default() });
    assert_eq!(failed.lines().count(), 2, "{failed}");
    let of_store = tree(&calls, &Filter { services: vec!["#2".into()], ..Filter::default() });
    assert_eq!(of_store.lines().count(), 3, "{of_store}");
    let wanted = "CALLED  BY  CALLS  FAILED    P50    P99   MOST\n\
                  #2.1    #1      1       0  3.250  3.250  3.250\n\
                  #3.1    #1      1       0  0.000  0.000  0.000\n\
                  #3.1    #2      1       1  0.500  0.500  0.500\n";
    assert_eq!(summary(&calls, &Filter::default()), wanted);
}

/// The names of errors are those of `std/ipc.lim`, in its order.
#[test]
fn errors_have_the_names_of_the_library() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("std/ipc.lim");
    let source = std::fs::read_to_string(path).expect("the library is there");
    let mut call = Calls::read(record().as_bytes()).expect("it is a record").all.remove(0);
    for status in 1..=9 {
        call.status = Some(-status);
        let line = format!("{} = -{status}", ending(&call));
        assert!(source.lines().any(|text| text.trim_start().starts_with(&line)), "{line}");
    }
}
