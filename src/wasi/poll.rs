//! Waiting for files and for time.

use std::fs::File;
use std::io::Seek;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use limen_vm::Time;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;

use super::descriptors::Object;
use super::errno::Errno;
use super::{Call, Refusal, Wasi, process, rights};

/// Bytes of a subscription and of an event.
const SUBSCRIPTION: u32 = 48;
const EVENT: usize = 32;

/// More are refused: no program can have so many descriptors.
const MOST_SUBSCRIPTIONS: u32 = 4096;

/// Numbers of what can happen.
const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

/// The flag of a clock's subscription: the time is one that the clock will show, not how long to wait.
const ABSOLUTE: u16 = 1;

/// The flag of an event: the other end is gone.
const HANGUP: u16 = 1;

/// What is waited for.
struct Subscription {
    userdata: u64,
    kind: u8,
    what: What,
}

enum What {
    /// A clock, for so long.
    Time(Duration),
    Descriptor(u32),
    /// It happens at once.
    Refused(Errno),
}

/// What happened.
struct Event {
    userdata: u64,
    kind: u8,
    error: Option<Errno>,
    bytes: u64,
    flags: u16,
}

impl Event {
    fn of(subscription: &Subscription) -> Self {
        let Subscription { userdata, kind, .. } = *subscription;
        Self { userdata, kind, error: None, bytes: 0, flags: 0 }
    }

    fn to_bytes(&self) -> [u8; EVENT] {
        let mut bytes = [0; EVENT];
        bytes[..8].copy_from_slice(&self.userdata.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.error.map_or(0, |errno| errno as u16).to_le_bytes());
        bytes[10] = self.kind;
        bytes[16..24].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[24..26].copy_from_slice(&self.flags.to_le_bytes());
        bytes
    }
}

/// Waits until something happens of what the program subscribes to. In virtual time nobody waits for a clock: time passes only
/// as the program burns fuel.
pub(super) fn poll_oneoff(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let count = call.word(2);
    if count == 0 || count > MOST_SUBSCRIPTIONS {
        return Err(Errno::Invalid.into());
    }
    call.memory.bytes(call.word(1), count * EVENT as u32)?;
    let subscriptions = (0..count).map(|index| subscription(wasi, call, index)).collect::<Result<Vec<_>, _>>()?;
    let mut events = ready(&subscriptions);
    if events.is_empty() {
        events = waited(wasi, call, &subscriptions)?;
    }
    let bytes: Vec<u8> = events.iter().flat_map(Event::to_bytes).collect();
    call.memory.write(call.word(1), &bytes)?;
    Ok(call.memory.write_u32(call.word(3), events.len() as u32)?)
}

fn subscription(wasi: &mut Wasi, call: &Call<'_>, index: u32) -> Result<Subscription, Errno> {
    let at = index.checked_mul(SUBSCRIPTION).and_then(|at| at.checked_add(call.word(0))).ok_or(Errno::Fault)?;
    let field = |offset| at.checked_add(offset).ok_or(Errno::Fault);
    let (userdata, kind) = (call.memory.u64(at)?, call.memory.u8(field(8)?)?);
    let what = match kind {
        CLOCK => {
            let (number, time) = (call.memory.u32(field(16)?)?, call.memory.u64(field(24)?)?);
            let is_absolute = call.memory.u16(field(40)?)? & ABSOLUTE != 0;
            match process::now(number, call) {
                Ok(now) => What::Time(Duration::from_nanos(if is_absolute { time.saturating_sub(now) } else { time })),
                Err(errno) => What::Refused(errno),
            }
        }
        FD_READ | FD_WRITE => {
            let number = call.memory.u32(field(16)?)?;
            let needed = if kind == FD_READ { rights::FD_READ } else { rights::FD_WRITE };
            match wasi.descriptors.file(number, needed | rights::POLL_FD_READWRITE) {
                Ok(_) => What::Descriptor(number),
                Err(errno) => What::Refused(errno),
            }
        }
        _ => return Err(Errno::Invalid),
    };
    Ok(Subscription { userdata, kind, what })
}

/// What happens whoever waits.
fn ready(subscriptions: &[Subscription]) -> Vec<Event> {
    let refused = subscriptions.iter().filter_map(|subscription| {
        let What::Refused(errno) = subscription.what else { return None };
        Some(Event { error: Some(errno), ..Event::of(subscription) })
    });
    refused.collect()
}

fn waited(wasi: &mut Wasi, call: &Call<'_>, subscriptions: &[Subscription]) -> Result<Vec<Event>, Errno> {
    let times = subscriptions.iter().filter_map(|subscription| match subscription.what {
        What::Time(time) => Some(time),
        _ => None,
    });
    let longest = times.min().map(|time| if call.time == Time::Virtual { Duration::ZERO } else { time });
    let begun = Instant::now();
    loop {
        let until_end = wasi.end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = longest.map(|longest| longest.saturating_sub(begun.elapsed()));
        let mut events = descriptors_ready(wasi, subscriptions, left.into_iter().chain(until_end).min())?;
        let is_over = |time: Duration| call.time == Time::Virtual || begun.elapsed() >= time;
        let over = |subscription: &&Subscription| matches!(subscription.what, What::Time(time) if is_over(time));
        events.extend(subscriptions.iter().filter(over).map(Event::of));
        // At the end the machine stops the program, which sees nothing of this.
        if !events.is_empty() || until_end == Some(Duration::ZERO) {
            return Ok(events);
        }
    }
}

/// Waits until reading a file would not wait; gives whether that came before `end`.
pub(super) fn is_readable_before(file: &File, end: Instant) -> bool {
    if rustix::fs::fcntl_getfl(file).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK)) {
        return true;
    }
    loop {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).ok();
        match rustix::event::poll(&mut [PollFd::new(file, PollFlags::IN)], left.as_ref()) {
            Ok(0) => return false,
            Err(rustix::io::Errno::INTR) => {}
            // Of an error reading will say more.
            Ok(_) | Err(_) => return true,
        }
    }
}

/// Waits for descriptors, but no longer than `longest`.
fn descriptors_ready(
    wasi: &mut Wasi,
    subscriptions: &[Subscription],
    longest: Option<Duration>,
) -> Result<Vec<Event>, Errno> {
    let waiting: Vec<(&Subscription, u32)> = subscriptions
        .iter()
        .filter_map(|subscription| match subscription.what {
            What::Descriptor(number) => Some((subscription, number)),
            _ => None,
        })
        .collect();
    let polled = waiting.iter().map(|(subscription, number)| {
        let wanted = if subscription.kind == FD_READ { PollFlags::IN } else { PollFlags::OUT };
        Ok(PollFd::from_borrowed_fd(wasi.descriptors.find(*number)?.as_fd(), wanted))
    });
    let mut polled = polled.collect::<Result<Vec<_>, Errno>>()?;
    let timeout = longest.and_then(|longest| Timespec::try_from(longest).ok());
    match rustix::event::poll(&mut polled, timeout.as_ref()) {
        // A signal to the process; the caller looks at the time and waits again.
        Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
        result => result?,
    };
    let found: Vec<PollFlags> = polled.iter().map(PollFd::revents).collect();
    let mut events = Vec::new();
    for ((subscription, number), found) in waiting.into_iter().zip(found) {
        if found.is_empty() {
            continue;
        }
        let bytes = if subscription.kind == FD_READ { readable(wasi, number) } else { 1 };
        let flags = if found.contains(PollFlags::HUP) { HANGUP } else { 0 };
        let error = found.intersects(PollFlags::ERR | PollFlags::NVAL).then_some(Errno::Io);
        events.push(Event { error, bytes, flags, ..Event::of(subscription) });
    }
    Ok(events)
}

/// How many bytes can be read at once, as far as that is known.
fn readable(wasi: &mut Wasi, number: u32) -> u64 {
    let Ok(descriptor) = wasi.descriptors.get(number, 0) else { return 0 };
    let size = descriptor.metadata().map(|metadata| metadata.len());
    match &mut descriptor.object {
        Object::File(file) | Object::Stream(file) if file.metadata().is_ok_and(|metadata| metadata.is_file()) => {
            size.unwrap_or(0).saturating_sub(file.stream_position().unwrap_or(0))
        }
        Object::File(file) | Object::Stream(file) => rustix::io::ioctl_fionread(file).unwrap_or(0),
        Object::Directory(_) => 0,
    }
}
