//! What a system answers: lines of fields.

use serde_json::{Map, Value};

use super::{DATA, ERROR, OK};

/// A line of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Data(Answer),
    /// That was all.
    Ok,
    /// It could not be done.
    Error(&'a str),
    /// It is no line of an answer.
    Other,
}

/// A line of data: fields by name, in the order of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer(pub(super) Vec<(String, String)>);

impl<'a> Line<'a> {
    pub(crate) fn parse(line: &'a str) -> Self {
        if let Some(fields) = line.strip_prefix(DATA) {
            Line::Data(Answer::parse(fields))
        } else if line == OK {
            Line::Ok
        } else if let Some(text) = line.strip_prefix(ERROR).filter(|text| text.is_empty() || text.starts_with(' ')) {
            Line::Error(text.trim_start())
        } else {
            Line::Other
        }
    }
}

impl Answer {
    fn parse(fields: &str) -> Self {
        let pair = |field: &str| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            (name.to_owned(), value.to_owned())
        };
        Self(fields.split('\t').map(pair).collect())
    }

    /// A field; empty if there is none of that name.
    fn field(&self, name: &str) -> &str {
        self.0.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    /// As an object of JSON, in which what looks like an integer is one.
    pub(crate) fn json(&self) -> Value {
        let value = |text: &str| text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from);
        Value::Object(self.0.iter().map(|(name, text)| (name.clone(), value(text))).collect::<Map<_, _>>())
    }

    /// As a line about a call: when, who called what, and what came of it.
    pub(crate) fn call(&self) -> String {
        if self.field("event") == "missing" {
            return format!("{} events are missing", self.field("count"));
        }
        let time = seconds(self.field("time"));
        let [caller, service, method, event] = ["caller", "service", "method", "event"].map(|name| self.field(name));
        let status = Some(self.field("status")).filter(|status| !matches!(*status, "" | "0"));
        let status = status.map_or_else(String::new, |status| format!(" status {status}"));
        let took = self.field("took").parse::<u64>().ok().filter(|_| event != "call");
        let took = took.map_or_else(String::new, |took| format!(" {:.1} us", took as f64 / 1e3));
        format!("{time} {caller} -> {service}.{method} {event}{status}{took}")
    }
}

/// Nanoseconds as seconds.
fn seconds(nanoseconds: &str) -> String {
    match nanoseconds.parse::<u64>() {
        Ok(time) => format!("{:6}.{:09}", time / 1_000_000_000, time % 1_000_000_000),
        Err(_) => nanoseconds.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str) -> Answer {
        match Line::parse(line) {
            Line::Data(answer) => answer,
            other => panic!("{line:?} is {other:?}"),
        }
    }

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(Line::parse("ok"), Line::Ok);
        assert_eq!(Line::parse("error there is no `x`"), Line::Error("there is no `x`"));
        assert_eq!(Line::parse("error"), Line::Error(""));
        assert_eq!(Line::parse("errors"), Line::Other);
        assert_eq!(Line::parse(""), Line::Other);
        assert_eq!(answer("=name=a=b\tstate").0, [("name", "a=b"), ("state", "")].map(|(n, v)| (n.into(), v.into())));
    }

    #[test]
    fn objects_keep_the_order_of_fields() {
        let json = answer("=name=log\trestarts=3\tnote=\"x\"\tcode=0x1").json().to_string();
        assert_eq!(json, r#"{"name":"log","restarts":3,"note":"\"x\"","code":"0x1"}"#);
    }

    #[test]
    fn calls_are_one_line() {
        let fields = "=time=1500000000\tcaller=shell\tservice=store\tmethod=get\tevent=answer\tstatus=0\ttook=2300";
        assert_eq!(answer(fields).call(), "     1.500000000 shell -> store.get answer 2.3 us");
        let fields = "=time=7\tcaller=shell\tservice=store\tmethod=get\tevent=failed\tstatus=-3\ttook=0";
        assert_eq!(answer(fields).call(), "     0.000000007 shell -> store.get failed status -3 0.0 us");
        assert_eq!(answer("=event=call").call(), "  -> . call");
        assert_eq!(answer("=event=missing\tcount=7").call(), "7 events are missing");
    }
}
