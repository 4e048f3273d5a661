//! Time, the timer and interrupts.

use std::time::{Duration, Instant};

/// Which of the two times a machine lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Time {
    /// Nanoseconds since the machine was made. The host's deadline and clock count.
    #[default]
    Live,
    /// Fuel burnt since the machine was made: every run is the same to the bit.
    Virtual,
}

/// The machine's clock with its one timer, and the interrupts that are pending.
pub(crate) struct Clock {
    time: Time,
    start: Instant,
    /// Live time when it started.
    offset: i64,
    burnt: u64,
    /// When interrupt 0 is due.
    alarm: Option<i64>,
    pending: u64,
}

/// The interrupt of the timer.
const TIMER: u64 = 1;

impl Clock {
    pub(crate) fn new(time: Time) -> Self {
        Self::resumed(time, 0, 0)
    }

    /// When the timer is due, and the interrupts that are pending.
    pub(crate) fn timer(&self) -> (Option<i64>, u64) {
        (self.alarm, self.pending)
    }

    /// The same with these interrupts pending.
    pub(crate) fn with_interrupts(self, pending: u64) -> Self {
        Self { pending, ..self }
    }

    /// One that goes on where another stood, with no timer set.
    pub(crate) fn resumed(time: Time, now: i64, burnt: u64) -> Self {
        Self { time, start: Instant::now(), offset: now, burnt, alarm: None, pending: 0 }
    }

    pub(crate) fn time(&self) -> Time {
        self.time
    }

    pub(crate) fn now(&self) -> i64 {
        match self.time {
            Time::Live => {
                let since = i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX);
                self.offset.saturating_add(since)
            }
            Time::Virtual => i64::try_from(self.burnt).unwrap_or(i64::MAX),
        }
    }

    /// Fuel burnt since the machine was made.
    pub(crate) fn burnt(&self) -> u64 {
        self.burnt
    }

    /// Notes that fuel was burnt.
    pub(crate) fn burn(&mut self, units: u64) {
        self.burnt += units;
    }

    /// Sets the timer; the greatest time turns it off.
    pub(crate) fn set_alarm(&mut self, at: i64) {
        self.alarm = Some(at).filter(|at| *at != i64::MAX);
    }

    /// In live time: when the timer is due by the host's clock; `None` also if it will not be in this world.
    pub(crate) fn alarm_by_host(&self) -> Option<Instant> {
        let alarm = self.alarm.filter(|_| self.time == Time::Live)?;
        let since_start = u64::try_from(alarm.saturating_sub(self.offset)).unwrap_or(0);
        self.start.checked_add(Duration::from_nanos(since_start))
    }

    /// Raises an interrupt.
    pub(crate) fn raise(&mut self, line: u32) {
        self.pending |= 1 << line;
    }

    /// Whether there is an interrupt to be raised or taken.
    pub(crate) fn interrupts(&self) -> bool {
        self.pending != 0 || self.is_due()
    }

    fn is_due(&self) -> bool {
        self.alarm.is_some_and(|at| at <= self.now())
    }

    /// Raises the timer's interrupt if it is due; gives whether any interrupt is pending.
    pub(crate) fn poll(&mut self) -> bool {
        if self.is_due() {
            self.alarm = None;
            self.pending |= TIMER;
        }
        self.pending != 0
    }

    /// The pending interrupts, which are then no longer pending.
    pub(crate) fn take_interrupts(&mut self) -> u64 {
        self.poll();
        std::mem::take(&mut self.pending)
    }

    /// Whether nothing but fuel need end a run: no interrupt is pending, and none becomes so at a certain unit of fuel.
    pub(crate) fn lets_run(&self) -> bool {
        self.pending == 0 && (self.time == Time::Live || self.alarm.is_none())
    }

    /// In virtual time: the fuel until the timer is due.
    pub(crate) fn fuel_until_alarm(&self) -> Option<u64> {
        let alarm = self.alarm.filter(|_| self.time == Time::Virtual)?;
        Some(u64::try_from(alarm.saturating_sub(self.now())).unwrap_or(0))
    }

    /// How long it is until the timer is due, with a unit of virtual time for a nanosecond; `None` if it is off.
    pub(crate) fn until_alarm(&self) -> Option<Duration> {
        let left = self.alarm?.saturating_sub(self.now());
        Some(Duration::from_nanos(u64::try_from(left).unwrap_or(0)))
    }

    /// In virtual time: lets time pass until the timer is due, if it is on.
    pub(crate) fn skip_to_alarm(&mut self) {
        self.burnt += self.fuel_until_alarm().unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_is_fuel() {
        let mut clock = Clock::new(Time::Virtual);
        clock.set_alarm(10);
        clock.burn(4);
        assert_eq!((clock.now(), clock.fuel_until_alarm(), clock.poll()), (4, Some(6), false));
        assert_eq!(clock.until_alarm(), Some(Duration::from_nanos(6)));
        clock.skip_to_alarm();
        assert_eq!((clock.now(), clock.take_interrupts(), clock.take_interrupts()), (10, 1, 0));
    }

    #[test]
    fn a_clock_goes_on_where_another_stood() {
        assert_eq!(Clock::resumed(Time::Virtual, 7, 7).now(), 7);
        let live = Clock::resumed(Time::Live, i64::MAX - 1, 7);
        assert!(live.now() >= i64::MAX - 1 && live.burnt() == 7);
    }

    #[test]
    fn only_in_live_time_the_host_knows_when_the_timer_is_due() {
        let mut live = Clock::resumed(Time::Live, 1_000, 0);
        assert_eq!(live.alarm_by_host(), None);
        live.set_alarm(3_000);
        assert_eq!(live.alarm_by_host(), Some(live.start + Duration::from_nanos(2_000)));
        live.set_alarm(10);
        assert_eq!(live.alarm_by_host(), Some(live.start));
        let mut counting = Clock::new(Time::Virtual);
        counting.set_alarm(10);
        assert_eq!(counting.alarm_by_host(), None);
    }

    #[test]
    fn the_greatest_time_turns_the_timer_off() {
        let mut clock = Clock::new(Time::Virtual);
        clock.set_alarm(1);
        clock.set_alarm(i64::MAX);
        clock.burn(100);
        clock.skip_to_alarm();
        assert_eq!((clock.poll(), clock.now(), clock.until_alarm()), (false, 100, None));
    }
}
