//! Events as lines of a file.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display};
use std::io::{self, Write};

use serde_json::{Value, json};

use super::event::{Call, Event, What};
use super::names::Names;
use super::threads::{End, Ended, Slice, Threads};
use super::{CALL, FORMAT, LOST, SERVE, VERSION};

/// Writes a record.
pub(crate) struct Writer<W> {
    output: W,
    names: Names,
    threads: Threads,
    /// The numbers of domains, and of threads with their domain's, that have been given names.
    domains: HashSet<u32>,
    tracks: HashSet<(u32, u32)>,
    /// The names of methods of endpoints, as JSON has them.
    methods: HashMap<(u32, u32), String>,
    /// That of the latest event.
    time: u64,
    events: u64,
    lost: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a record. `time` is which way of time the system lives in.
    pub(crate) fn begin(output: W, names: Names, time: &str) -> io::Result<Self> {
        let mut writer = Self {
            output,
            names,
            threads: Threads::default(),
            domains: HashSet::new(),
            tracks: HashSet::new(),
            methods: HashMap::new(),
            time: 0,
            events: 0,
            lost: 0,
        };
        writer.output.write_all(b"[\n")?;
        let about = json!({"ph": "M", "name": FORMAT, "pid": 0, "args": {"version": VERSION, "time": time}});
        writer.line(&about)?;
        writer.output.flush()?;
        Ok(writer)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// Ends the record, with how many events there were.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let open = self.threads.end_all();
        self.end_slices(open)?;
        let args = json!({"events": self.events, "lost": self.lost});
        write!(self.output, "{}\n]\n", json!({"ph": "M", "name": "end", "pid": 0, "args": args}))?;
        self.output.flush()
    }

    /// Events are missing here; `None` if nobody knows how many.
    pub(crate) fn lose(&mut self, events: Option<u64>) -> io::Result<()> {
        self.lost += events.unwrap_or(0);
        let open = self.threads.end_all();
        self.end_slices(open)?;
        let ts = self.time as f64 / 1e3;
        self.line(&json!({"ph": "i", "name": LOST, "pid": 0, "tid": 0, "ts": ts, "s": "g", "args": {"events": events}}))
    }

    pub(crate) fn event(&mut self, event: &Event) -> io::Result<()> {
        self.time = self.time.max(event.time);
        self.events += 1;
        match event.what {
            What::Called => self.call(event),
            What::Received => self.receive(event),
            What::Sent => {
                self.receive(event)?;
                self.end_call(event, End::Status(0))
            }
            What::Answered | What::Failed => self.end_call(event, End::Status(event.status)),
            What::Deferred => self.end_serving(event, End::Deferred),
            What::Ended => {
                let ended = self.threads.end_all_of(event.call.thread);
                self.end_slices(ended)
            }
        }
    }

    fn call(&mut self, event: &Event) -> io::Result<()> {
        let caller = self.names.number(event.caller);
        self.begin_slice(caller, event.call.thread, Slice::Call(event.call), event)?;
        self.arrow("s", caller, event.call.thread, event.call)
    }

    fn receive(&mut self, event: &Event) -> io::Result<()> {
        let Some((thread, label)) = event.server else { return Ok(()) };
        let server = self.names.number(label);
        self.begin_slice(server, thread, Slice::Serve(event.call), event)?;
        self.arrow("f", server, thread, event.call)
    }

    fn end_call(&mut self, event: &Event, end: End) -> io::Result<()> {
        self.end_serving(event, end)?;
        let ended = self.threads.end(event.call.thread, Slice::Call(event.call), end);
        self.end_slices(ended)
    }

    fn end_serving(&mut self, event: &Event, end: End) -> io::Result<()> {
        let Some((thread, _)) = event.server else { return Ok(()) };
        let ended = self.threads.end(thread, Slice::Serve(event.call), end);
        self.end_slices(ended)
    }

    fn begin_slice(&mut self, domain: u32, thread: u32, slice: Slice, event: &Event) -> io::Result<()> {
        self.name_thread(domain, thread)?;
        let ended = self.threads.begin(domain, thread, slice);
        self.end_slices(ended)?;
        let (category, call) = parts(slice);
        let key = (event.endpoint, event.method);
        let name = self.methods.entry(key).or_insert_with(|| self.names.called(event.endpoint, event.method));
        let track = Track { domain, thread, time: self.time };
        let within = match (slice, event.client) {
            (Slice::Call(_), Some(client)) => format!(",\"within\":{}", client.id()),
            _ => String::new(),
        };
        let call = call.id();
        let output = &mut self.output;
        writeln!(output, r#"{{"ph":"B","cat":"{category}","name":{name},{track},"args":{{"call":{call}{within}}}}},"#)
    }

    fn end_slices(&mut self, ended: Vec<Ended>) -> io::Result<()> {
        ended.into_iter().try_for_each(|ended| self.end_slice(ended))
    }

    fn end_slice(&mut self, (domain, thread, slice, end): Ended) -> io::Result<()> {
        let ((category, call), track) = (parts(slice), Track { domain, thread, time: self.time });
        let call = call.id();
        let mut end_with = |status: &dyn Display| {
            let output = &mut self.output;
            writeln!(output, r#"{{"ph":"E","cat":"{category}",{track},"args":{{"call":{call},"status":{status}}}}},"#)
        };
        match end {
            End::Status(status) => end_with(&status),
            End::Deferred => end_with(&r#""deferred""#),
            End::Unknown => end_with(&"null"),
        }
    }

    /// One end of the arrow from caller to server, which belongs to the slice that begins at that time.
    fn arrow(&mut self, phase: &str, domain: u32, thread: u32, call: Call) -> io::Result<()> {
        let (id, track) = (call.id(), Track { domain, thread, time: self.time });
        let place = if phase == "f" { r#","bp":"e""# } else { "" };
        let output = &mut self.output;
        writeln!(output, r#"{{"ph":"{phase}","cat":"{CALL}","name":"call","id":{id},{track}{place}}},"#)
    }

    fn name_thread(&mut self, domain: u32, thread: u32) -> io::Result<()> {
        let pid = u64::from(domain) + 1;
        if self.domains.insert(domain) {
            let name = self.names.domain(domain);
            self.line(&json!({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}))?;
        }
        if self.tracks.insert((domain, thread)) {
            let name = format!("thread {thread}");
            self.line(&json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": thread, "args": {"name": name}}))?;
        }
        Ok(())
    }

    fn line(&mut self, event: &Value) -> io::Result<()> {
        writeln!(self.output, "{event},")
    }
}

/// The category of a slice, and the call that it is about.
fn parts(slice: Slice) -> (&'static str, Call) {
    match slice {
        Slice::Call(call) => (CALL, call),
        Slice::Serve(call) => (SERVE, call),
    }
}

/// Where and when something is, as fields of an event. The format counts in microseconds.
struct Track {
    domain: u32,
    thread: u32,
    time: u64,
}

impl Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, thread, time } = self;
        write!(f, r#""pid":{},"tid":{thread},"ts":{}.{:03}"#, u64::from(*domain) + 1, time / 1000, time % 1000)
    }
}
