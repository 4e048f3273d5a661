//! A record read again: calls, and which lies within which.

use std::collections::HashMap;
use std::io::BufRead;
use std::rc::Rc;

use serde_json::Value;
use thiserror::Error;

use super::{CALL, FORMAT, LOST, SERVE, VERSION};

/// A call, as far as the record tells of it. Times are nanoseconds, or units of fuel in virtual time.
#[derive(Debug)]
pub(crate) struct Call {
    /// The call within which it was made, by its place among all.
    pub(crate) within: Option<usize>,
    /// The numbers under which the record knows it and the call that it was made for.
    pub(crate) id: u64,
    pub(crate) client: Option<u64>,
    pub(crate) caller: Rc<str>,
    /// The service and its method, with a point between them.
    pub(crate) called: Rc<str>,
    pub(crate) begun: u64,
    pub(crate) received: Option<u64>,
    pub(crate) ended: Option<u64>,
    /// `None` if it is not known how it ended.
    pub(crate) status: Option<i32>,
    pub(crate) was_deferred: bool,
}

impl Call {
    /// The service that was called.
    pub(crate) fn service(&self) -> &str {
        self.called.rsplit_once('.').map_or(&self.called, |(service, _)| service)
    }

    pub(crate) fn took(&self) -> Option<u64> {
        Some(self.ended? - self.begun)
    }

    /// Until a server had it.
    pub(crate) fn waited(&self) -> Option<u64> {
        Some(self.received? - self.begun)
    }
}

/// Where events are missing: when that was noticed, and how many there were, if anybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) time: u64,
    pub(crate) events: Option<u64>,
}

/// All that a record tells.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// In the order in which they began.
    pub(crate) all: Vec<Call>,
    pub(crate) gaps: Vec<Gap>,
    /// Whether the record was brought to its end.
    pub(crate) is_whole: bool,
    /// Whether times are fuel.
    pub(crate) is_virtual: bool,
    /// The latest call of each number.
    places: HashMap<u64, usize>,
    /// Names of the processes.
    domains: HashMap<u64, Rc<str>>,
    names: HashMap<String, Rc<str>>,
}

/// Why something is not a record.
#[derive(Debug, Error)]
pub(crate) enum RecordError {
    #[error("{0}")]
    Input(#[from] std::io::Error),
    #[error("this is no record of calls: `limen boot --record FILE` makes one")]
    Other,
    #[error("the record has version {0}, and this program reads version {VERSION}")]
    Version(u64),
    #[error("line {0} is damaged: {1}")]
    Damaged(usize, &'static str),
}

/// A longer line is none of a record's.
const LONGEST_LINE: u64 = 1 << 20;

impl Calls {
    /// Reads a record up to its last whole line.
    pub(crate) fn read(input: impl BufRead) -> Result<Self, RecordError> {
        let mut lines = Lines { input, number: 0 };
        if lines.next()?.as_deref() != Some("[") {
            return Err(RecordError::Other);
        }
        let mut calls = Self::default();
        let about = lines.next()?.and_then(|line| event(&line)).ok_or(RecordError::Other)?;
        calls.begin(&about)?;
        while let Some(line) = lines.next()? {
            if line == "]" {
                calls.is_whole = true;
                break;
            }
            let event = event(&line).ok_or(RecordError::Damaged(lines.number, "it is no event"))?;
            calls.take(&event).map_err(|problem| RecordError::Damaged(lines.number, problem))?;
        }
        Ok(calls)
    }

    fn begin(&mut self, about: &Value) -> Result<(), RecordError> {
        if about["name"] != FORMAT {
            return Err(RecordError::Other);
        }
        match about["args"]["version"].as_u64() {
            Some(VERSION) => {}
            version => return Err(RecordError::Version(version.unwrap_or(0))),
        }
        self.is_virtual = about["args"]["time"] == "virtual";
        Ok(())
    }

    fn take(&mut self, event: &Value) -> Result<(), &'static str> {
        match (text(event, "ph")?, event["cat"].as_str()) {
            ("M", _) => self.take_name(event),
            ("B", Some(CALL)) => self.take_call(event),
            ("B", Some(SERVE)) => self.change(event, |call, time| call.received = call.received.or(Some(time))),
            ("E", Some(SERVE)) => {
                let is_deferred = event["args"]["status"] == "deferred";
                self.change(event, |call, _| call.was_deferred |= is_deferred)
            }
            ("E", Some(CALL)) => {
                let status = event["args"]["status"].as_i64().and_then(|status| i32::try_from(status).ok());
                self.change(event, |call, time| (call.ended, call.status) = (Some(time), status))
            }
            ("i", _) if event["name"] == LOST => {
                self.gaps.push(Gap { time: time(event)?, events: event["args"]["events"].as_u64() });
                Ok(())
            }
            ("s" | "f", _) => Ok(()),
            _ => Err("such an event is not in a record"),
        }
    }

    fn take_name(&mut self, event: &Value) -> Result<(), &'static str> {
        if event["name"] == "process_name" {
            let name = self.name(text(&event["args"], "name")?);
            self.domains.insert(number(event, "pid")?, name);
        }
        Ok(())
    }

    fn take_call(&mut self, event: &Value) -> Result<(), &'static str> {
        let (args, domain) = (&event["args"], number(event, "pid")?);
        let (id, client) = (number(args, "call")?, args["within"].as_u64());
        let call = Call {
            within: client.and_then(|client| self.places.get(&client).copied()),
            id,
            client,
            caller: self.domains.get(&domain).cloned().ok_or("a process has no name")?,
            called: self.name(text(event, "name")?),
            begun: time(event)?,
            received: None,
            ended: None,
            status: None,
            was_deferred: false,
        };
        self.places.insert(id, self.all.len());
        self.all.push(call);
        Ok(())
    }

    /// Notes what an event says of its call. Of one that began before something was lost, nothing is known.
    fn change(&mut self, event: &Value, change: impl FnOnce(&mut Call, u64)) -> Result<(), &'static str> {
        let (id, time) = (number(&event["args"], "call")?, time(event)?);
        if let Some(call) = self.places.get(&id).map(|place| &mut self.all[*place]) {
            if time < call.begun {
                return Err("something happened to a call before it began");
            }
            change(call, time);
        }
        Ok(())
    }

    /// A name, of which there is one copy.
    fn name(&mut self, name: &str) -> Rc<str> {
        if let Some(known) = self.names.get(name) {
            return Rc::clone(known);
        }
        let new: Rc<str> = name.into();
        self.names.insert(name.to_owned(), Rc::clone(&new));
        new
    }
}

/// What a line holds. All but the last one end with a comma.
fn event(line: &str) -> Option<Value> {
    serde_json::from_str(line.strip_suffix(',').unwrap_or(line)).ok()
}

fn text<'a>(event: &'a Value, field: &str) -> Result<&'a str, &'static str> {
    event[field].as_str().ok_or("a text is missing")
}

fn number(event: &Value, field: &str) -> Result<u64, &'static str> {
    event[field].as_u64().ok_or("a number is missing")
}

/// The record counts in thousands.
fn time(event: &Value) -> Result<u64, &'static str> {
    let thousands = event["ts"].as_f64().filter(|ts| (0.0..1e15).contains(ts)).ok_or("the time is missing")?;
    Ok((thousands * 1e3).round() as u64)
}

/// Whole lines.
struct Lines<R> {
    input: R,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// The next one without its end; `None` if there is none that is whole.
    fn next(&mut self) -> Result<Option<String>, RecordError> {
        self.number += 1;
        let mut line = Vec::new();
        std::io::Read::take(&mut self.input, LONGEST_LINE).read_until(b'\n', &mut line)?;
        if line.len() as u64 == LONGEST_LINE {
            return Err(RecordError::Damaged(self.number, "it is too long"));
        }
        match line.strip_suffix(b"\n") {
            None => Ok(None),
            Some(line) => match std::str::from_utf8(line) {
                Ok(line) => Ok(Some(line.to_owned())),
                Err(_) => Err(RecordError::Damaged(self.number, "it is no text")),
            },
        }
    }
}

#[cfg(test)]
mod tests;
