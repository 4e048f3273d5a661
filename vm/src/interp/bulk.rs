//! Instructions that work on many bytes, and the atomic ones.
//!
//! A bulk instruction is a loop whose whole state is in its registers: each turn does one piece and advances them. So it
//! can stop after any piece, for lack of fuel or of a page, and go on as if nothing had been.

use limen_isa::{Fault, Opcode, Reg};

use super::cpu::{Cpu, Denied, Policy, Step};
use super::home::InMemory;
use super::segment::status;
use super::slot::Slot;
use crate::engine::Exit;
use crate::object::{Ref, Rights};

/// Bytes between two safepoints.
const PIECE: u64 = 64 * 1024;

/// Writes `new` if `expected` is there; gives what was there.
///
/// # Safety
///
/// `place` must be readable and writable for the size of `M`.
#[inline(always)]
pub(super) unsafe fn swap_if_equal<M: InMemory + PartialEq>(place: *mut u8, expected: M, new: M) -> M {
    // SAFETY: the caller's promise.
    unsafe { replace(place, |old| if old == expected { new } else { old }) }
}

/// Replaces what is there by a function of it; gives what was there. It is one step, since a machine runs on one thread.
///
/// # Safety
///
/// `place` must be readable and writable for the size of `M`.
#[inline(always)]
pub(super) unsafe fn replace<M: InMemory>(place: *mut u8, f: impl FnOnce(M) -> M) -> M {
    // SAFETY: the caller's promise.
    unsafe {
        let old = M::read(place);
        f(old).write(place);
        old
    }
}

/// Where one piece lies relative to the registers, and how long it is.
struct Piece {
    start: u64,
    length: u64,
    backwards: bool,
}

impl Piece {
    fn first(n: u64) -> Self {
        Self { start: 0, length: n.min(PIECE), backwards: false }
    }

    /// Where source and target overlap so that copying forwards would destroy what is still to be copied, the last
    /// piece comes first.
    fn to_copy(to: u64, from: u64, n: u64) -> Self {
        let length = n.min(PIECE);
        let backwards = to > from && to - from < n;
        Self { start: if backwards { n - length } else { 0 }, length, backwards }
    }
}

impl<P: Policy> Cpu<P> {
    /// Before a piece is done: a full one is a safepoint.
    fn may_do(&mut self, piece: &Piece) -> Result<(), Step> {
        if piece.length < PIECE {
            return Ok(());
        }
        let domain = self.domain();
        if self.store().is_disturbed(domain) || !self.burn() {
            return Err(self.exit(Exit::Fuel));
        }
        Ok(())
    }

    /// Checks a whole range of home, whatever the state of its pages.
    fn check_home(&mut self, address: u64, n: u64) -> Result<(), Step> {
        if self.home_holds(address, n) { Ok(()) } else { Err(self.fault(Fault::Bounds, address)) }
    }

    #[inline(always)]
    fn home_holds(&mut self, address: u64, n: u64) -> bool {
        address + n <= self.runtime().home_length as u64 || self.home_holds_beyond(address, n)
    }

    /// For homes with page control, and for the fault.
    #[cold]
    fn home_holds_beyond(&mut self, address: u64, n: u64) -> bool {
        let domain = self.domain();
        let memory = self.store().home_of(domain);
        address + n <= self.store().memory_mut(memory).length()
    }

    /// Copies what is less than a piece, all of it in open home; `false`, and nothing done, if it is not so.
    #[inline(always)]
    pub(super) fn copy_at_once(&mut self, to: Reg, from: Reg, n: Reg) -> bool {
        let [target, source, left] = [to, from, n].map(|register| self.get::<u32>(register));
        let end = u64::from(target.max(source)) + u64::from(left);
        if u64::from(left) >= PIECE || end > self.runtime().home_length as u64 {
            return false;
        }
        // SAFETY: both ranges are within home.
        unsafe {
            let home = self.state.home;
            home.add(source as usize).copy_to(home.add(target as usize), left as usize);
        }
        self.advance_copy(
            [to, from, n],
            [target, source, left],
            &Piece::to_copy(target.into(), source.into(), left.into()),
        );
        true
    }

    pub(super) fn copy_within_home(&mut self, to: Reg, from: Reg, n: Reg) -> Step {
        self.until_done(|cpu| cpu.copy_piece_within_home(to, from, n))
    }

    /// Repeats a piece of work until it says that all is done (`true`) or that the instruction ends.
    #[inline(always)]
    fn until_done(&mut self, mut piece: impl FnMut(&mut Self) -> Result<bool, Step>) -> Step {
        loop {
            match piece(self) {
                Ok(true) => return Step::Next,
                Ok(false) => {}
                Err(step) => return step,
            }
        }
    }

    fn copy_piece_within_home(&mut self, to: Reg, from: Reg, n: Reg) -> Result<bool, Step> {
        let [target, source, left] = [to, from, n].map(|register| self.get::<u32>(register));
        let [target_at, source_at] = [target, source].map(u64::from);
        self.check_home(target_at, u64::from(left))?;
        self.check_home(source_at, u64::from(left))?;
        if left == 0 {
            return Ok(true);
        }
        let piece = Piece::to_copy(target_at, source_at, u64::from(left));
        let read = self.home(source_at + piece.start, piece.length, false)?;
        let write = self.home(target_at + piece.start, piece.length, true)?;
        self.may_do(&piece)?;
        // SAFETY: `home` gives the addresses of so many bytes.
        unsafe { read.copy_to(write, piece.length as usize) };
        self.advance_copy([to, from, n], [target, source, left], &piece);
        Ok(u64::from(left) == piece.length)
    }

    /// Writes the registers of a copy after a piece.
    #[inline(always)]
    fn advance_copy(&mut self, [to, from, n]: [Reg; 3], [target, source, left]: [u32; 3], piece: &Piece) {
        let done = piece.length as u32;
        if !piece.backwards {
            self.set(to, target.wrapping_add(done));
            self.set(from, source.wrapping_add(done));
        }
        self.set(n, left - done);
    }

    pub(super) fn fill_home(&mut self, to: Reg, byte: Reg, n: Reg) -> Step {
        self.until_done(|cpu| cpu.fill_piece_of_home(to, byte, n))
    }

    fn fill_piece_of_home(&mut self, to: Reg, byte: Reg, n: Reg) -> Result<bool, Step> {
        let (target, left, value) = (self.get::<u32>(to), self.get::<u32>(n), self.get::<u32>(byte) as u8);
        self.check_home(u64::from(target), u64::from(left))?;
        if left == 0 {
            return Ok(true);
        }
        let piece = Piece::first(u64::from(left));
        let place = self.home(u64::from(target), piece.length, true)?;
        self.may_do(&piece)?;
        // SAFETY: `home` gives the address of so many bytes.
        unsafe { place.write_bytes(value, piece.length as usize) };
        let done = piece.length as u32;
        self.set(to, target.wrapping_add(done));
        self.set(n, left - done);
        Ok(left == done)
    }

    pub(super) fn compare_within_home(&mut self, d: Reg, a: Reg, b: Reg, n: Reg) -> Step {
        let mut order = 0_i32;
        let step = self.until_done(|cpu| cpu.compare_piece_within_home(a, b, n, &mut order));
        if matches!(step, Step::Next) { self.put(d, order) } else { step }
    }

    fn compare_piece_within_home(&mut self, a: Reg, b: Reg, n: Reg, order: &mut i32) -> Result<bool, Step> {
        let [left_at, right_at, left] = [a, b, n].map(|register| self.get::<u32>(register));
        self.check_home(u64::from(left_at), u64::from(left))?;
        self.check_home(u64::from(right_at), u64::from(left))?;
        if left == 0 {
            return Ok(true);
        }
        let piece = Piece::first(u64::from(left));
        let one = self.home(u64::from(left_at), piece.length, false)?;
        let other = self.home(u64::from(right_at), piece.length, false)?;
        self.may_do(&piece)?;
        // SAFETY: `home` gives the addresses of so many bytes, and nothing writes them meanwhile.
        let [one, other] =
            [one, other].map(|place| unsafe { std::slice::from_raw_parts(place, piece.length as usize) });
        let same = if one == other {
            one.len()
        } else {
            one.iter().zip(other).take_while(|(one, other)| one == other).count()
        };
        let done = same as u32;
        self.set(a, left_at.wrapping_add(done));
        self.set(b, right_at.wrapping_add(done));
        self.set(n, left - done);
        if same < one.len() {
            *order = if one[same] < other[same] { -1 } else { 1 };
        }
        Ok(same < one.len() || left == done)
    }

    pub(super) fn read_segment(&mut self, to: Reg, s: Reg, o: Reg, n: Reg, st: Option<Reg>) -> Step {
        let step = self.until_done(|cpu| cpu.transfer_piece(to, s, o, n, st, Rights::READ));
        self.succeed(step, st)
    }

    pub(super) fn write_segment(&mut self, s: Reg, o: Reg, from: Reg, n: Reg, st: Option<Reg>) -> Step {
        let step = self.until_done(|cpu| cpu.transfer_piece(from, s, o, n, st, Rights::WRITE));
        self.succeed(step, st)
    }

    /// Notes success where a status is wanted; a failure was noted by [`Cpu::fail`].
    fn succeed(&mut self, step: Step, st: Option<Reg>) -> Step {
        if let (Step::Next, Some(st)) = (&step, st) { self.put(st, 0_u32) } else { step }
    }

    /// Ends a bulk instruction with a fault, or with the fault's number where a status is wanted.
    fn fail(&mut self, fault: Fault, detail: u64, st: Option<Reg>) -> Step {
        match st {
            None => self.fault(fault, detail),
            Some(st) => {
                self.set(st, status(Some(fault)));
                self.skip(Opcode::SegTryRead)
            }
        }
    }

    /// Goes on behind the instruction, of which `like` is one of the same length.
    fn skip(&mut self, like: Opcode) -> Step {
        self.jump((like.row().fixed_words() * size_of::<Slot>()) as isize)
    }

    fn deny(&mut self, denied: Denied, st: Option<Reg>) -> Step {
        match denied {
            Denied::Fault(fault, detail) => self.fail(fault, detail, st),
            Denied::Leave | Denied::Page(_) => self.denied(denied),
        }
    }

    /// One piece between home (at the address in `home`) and a segment: to home for [`Rights::READ`], else from it.
    fn transfer_piece(
        &mut self,
        home: Reg,
        s: Reg,
        o: Reg,
        n: Reg,
        st: Option<Reg>,
        rights: Rights,
    ) -> Result<bool, Step> {
        let (address, left) = (self.get::<u32>(home), self.get::<u32>(n));
        let (segment, offset) = (self.get::<Ref>(s), self.get::<u64>(o));
        self.check_segment(segment, offset, u64::from(left), rights)
            .map_err(|(fault, detail)| self.fail(fault, detail, st))?;
        if !self.home_holds(u64::from(address), u64::from(left)) {
            return Err(self.fail(Fault::Bounds, u64::from(address), st));
        }
        if left == 0 {
            return Ok(true);
        }
        let piece = Piece::first(u64::from(left));
        let to_home = rights == Rights::READ;
        let here = self.home(u64::from(address), piece.length, to_home)?;
        let there = self.segment(segment, offset, piece.length, rights).map_err(|denied| self.deny(denied, st))?;
        self.may_do(&piece)?;
        let (read, write) = if to_home { (there, here) } else { (here, there) };
        // SAFETY: `home` and `segment` give the addresses of so many bytes; `copy_to` bears a segment that is home.
        unsafe { read.copy_to(write, piece.length as usize) };
        self.set(home, address.wrapping_add(piece.length as u32));
        self.set(o, offset + piece.length);
        self.set(n, left - piece.length as u32);
        Ok(u64::from(left) == piece.length)
    }

    /// Checks a whole range of a segment, whatever the state of its pages.
    fn check_segment(&mut self, segment: Ref, offset: u64, n: u64, rights: Rights) -> Result<(), (Fault, u64)> {
        let span = self.store().objects.span(segment, rights).map_err(|fault| (fault, 0))?;
        let inside = offset.checked_add(n).is_some_and(|end| end <= span.length);
        if inside { Ok(()) } else { Err((Fault::Bounds, offset)) }
    }

    pub(super) fn copy_segment(&mut self, to: Reg, to_o: Reg, from: Reg, from_o: Reg, n: Reg) -> Step {
        self.until_done(|cpu| cpu.copy_piece_between_segments([to, from], [to_o, from_o], n))
    }

    fn copy_piece_between_segments(&mut self, segments: [Reg; 2], offsets: [Reg; 2], n: Reg) -> Result<bool, Step> {
        let [to, from] = segments.map(|register| self.get::<Ref>(register));
        let [target, source] = offsets.map(|register| self.get::<u64>(register));
        let left = self.get::<u64>(n);
        self.check_segment(to, target, left, Rights::WRITE).map_err(|(fault, detail)| self.fault(fault, detail))?;
        self.check_segment(from, source, left, Rights::READ).map_err(|(fault, detail)| self.fault(fault, detail))?;
        if left == 0 {
            return Ok(true);
        }
        // Two views of one memory may overlap: what counts is where their bytes really lie.
        let [target_at, source_at] =
            [(to, target), (from, source)].map(|(segment, offset)| self.store().host_address(segment, offset));
        let piece = Piece::to_copy(target_at, source_at, left);
        let write = self
            .segment(to, target + piece.start, piece.length, Rights::WRITE)
            .map_err(|denied| self.denied(denied))?;
        let read = self
            .segment(from, source + piece.start, piece.length, Rights::READ)
            .map_err(|denied| self.denied(denied))?;
        self.may_do(&piece)?;
        // SAFETY: `segment` gives the addresses of so many bytes.
        unsafe { read.copy_to(write, piece.length as usize) };
        if !piece.backwards {
            self.set(offsets[0], target + piece.length);
            self.set(offsets[1], source + piece.length);
        }
        self.set(n, left - piece.length);
        Ok(left == piece.length)
    }

    pub(super) fn fill_segment(&mut self, s: Reg, o: Reg, byte: Reg, n: Reg) -> Step {
        self.until_done(|cpu| cpu.fill_piece_of_segment(s, o, byte, n))
    }

    fn fill_piece_of_segment(&mut self, s: Reg, o: Reg, byte: Reg, n: Reg) -> Result<bool, Step> {
        let (segment, offset, left) = (self.get::<Ref>(s), self.get::<u64>(o), self.get::<u64>(n));
        self.check_segment(segment, offset, left, Rights::WRITE)
            .map_err(|(fault, detail)| self.fault(fault, detail))?;
        if left == 0 {
            return Ok(true);
        }
        let piece = Piece::first(left);
        let place = self.segment(segment, offset, piece.length, Rights::WRITE).map_err(|denied| self.denied(denied))?;
        self.may_do(&piece)?;
        // SAFETY: `segment` gives the address of so many bytes.
        unsafe { place.write_bytes(self.get::<u32>(byte) as u8, piece.length as usize) };
        self.set(o, offset + piece.length);
        self.set(n, left - piece.length);
        Ok(left == piece.length)
    }
}
