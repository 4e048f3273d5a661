//! Arguments, environment, clocks, random numbers, and the end of a program.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use limen_vm::Time;
use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

use super::errno::Errno;
use super::{Call, Refusal, Wasi};

pub(super) fn args_get(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    put_strings(&wasi.arguments, call)
}

pub(super) fn args_sizes_get(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    put_sizes(&wasi.arguments, call)
}

pub(super) fn environ_get(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    put_strings(&wasi.environment, call)
}

pub(super) fn environ_sizes_get(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    put_sizes(&wasi.environment, call)
}

/// How many strings there are, and how many bytes they take, each with a zero behind it.
fn put_sizes(strings: &[OsString], call: &mut Call<'_>) -> Result<(), Refusal> {
    let bytes: usize = strings.iter().map(|string| string.len() + 1).sum();
    call.memory.write_u32(call.word(0), u32::try_from(strings.len()).map_err(|_| Errno::Overflow)?)?;
    call.memory.write_u32(call.word(1), u32::try_from(bytes).map_err(|_| Errno::Overflow)?)?;
    Ok(())
}

fn put_strings(strings: &[OsString], call: &mut Call<'_>) -> Result<(), Refusal> {
    let (mut pointer, mut place) = (call.word(0), call.word(1));
    for string in strings {
        call.memory.write_u32(pointer, place)?;
        call.memory.write(place, string.as_bytes())?;
        place = advanced(place, string.len() as u32)?;
        call.memory.write(place, &[0])?;
        (pointer, place) = (advanced(pointer, 4)?, advanced(place, 1)?);
    }
    Ok(())
}

fn advanced(address: u32, by: u32) -> Result<u32, Errno> {
    address.checked_add(by).ok_or(Errno::Fault)
}

/// Numbers of the clocks.
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
const PROCESS_CPUTIME: u32 = 2;
const THREAD_CPUTIME: u32 = 3;

fn clock(number: u32) -> Result<ClockId, Errno> {
    Ok(match number {
        REALTIME => ClockId::Realtime,
        MONOTONIC => ClockId::Monotonic,
        PROCESS_CPUTIME => ClockId::ProcessCPUTime,
        THREAD_CPUTIME => ClockId::ThreadCPUTime,
        _ => return Err(Errno::Invalid),
    })
}

fn nanoseconds(time: Timespec) -> Result<u64, Errno> {
    let seconds = u64::try_from(time.tv_sec).ok().and_then(|seconds| seconds.checked_mul(1_000_000_000));
    seconds.and_then(|seconds| seconds.checked_add(time.tv_nsec as u64)).ok_or(Errno::Overflow)
}

/// What a clock shows, in nanoseconds. In virtual time all show the fuel burnt.
pub(super) fn now(number: u32, call: &Call<'_>) -> Result<u64, Errno> {
    let clock = clock(number)?;
    match call.time {
        Time::Virtual => Ok(call.now as u64),
        Time::Live => nanoseconds(clock_gettime(clock)),
    }
}

pub(super) fn clock_res_get(_: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let resolution = match (clock(call.word(0))?, call.time) {
        (_, Time::Virtual) => 1,
        (clock, Time::Live) => nanoseconds(clock_getres(clock))?,
    };
    Ok(call.memory.write_u64(call.word(1), resolution)?)
}

pub(super) fn clock_time_get(_: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let now = now(call.word(0), call)?;
    Ok(call.memory.write_u64(call.word(2), now)?)
}

pub(super) fn proc_exit(_: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    Err(Refusal::Exit(call.word(0) as i32))
}

pub(super) fn sched_yield(_: &mut Wasi, _: &mut Call<'_>) -> Result<(), Refusal> {
    std::thread::yield_now();
    Ok(())
}

/// What the published interface allows not to have: signals.
pub(super) fn not_supported(_: &mut Wasi, _: &mut Call<'_>) -> Result<(), Refusal> {
    Err(Errno::NotSupported.into())
}

/// In virtual time the numbers are the same in every run.
pub(super) fn random_get(wasi: &mut Wasi, call: &mut Call<'_>) -> Result<(), Refusal> {
    let (address, length) = (call.word(0), call.word(1));
    let bytes = call.memory.bytes_mut(address, length)?;
    match call.time {
        Time::Virtual => bytes.fill_with(|| next_byte(&mut wasi.seed)),
        Time::Live => fill_randomly(bytes)?,
    }
    Ok(())
}

fn fill_randomly(bytes: &mut [u8]) -> Result<(), Errno> {
    let mut done = 0;
    while done < bytes.len() {
        done += rustix::rand::getrandom(&mut bytes[done..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(())
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), of which the highest byte is taken.
fn next_byte(seed: &mut u64) -> u8 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 56) as u8
}
