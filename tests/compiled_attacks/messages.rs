//! Messages of an `svc` that compiled code puts off, hands over, or does not write down: who takes one sees what the interpreter would
//! have had it see.

use limen_vm::Outcome;

use super::{BOOT_TWO, System};

/// What an `svc` will write is zero or null while it is asked, although other functions left their values in these cells.
#[test]
fn results_of_an_svc_are_nothing_before_they_are_set() {
    let user = "
export fn main() {
    reg x: i64
    reg n: i32
    x = i64.const -1
  again:
    call leave(x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x)
    call ask()
    n = i32.addi n, 1
    i32.br_lt_si n, 5, again
    svc 2()
    ret
}
fn leave(a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: i64, i: i64, j: i64, k: i64, l: i64, m: i64, n: i64, o: i64, p: i64) {
    ret
}
fn ask() {
    reg a, b, c, d, e, f, g, h, i: i64
    reg w, both: i32
    reg r: ref
    both = i32.const 77
    w, r, both = svc 1(both)
    ret
}";
    let kernel = "
export fn boot() {
    reg none: i32
    call start(none)
    call run()
    trap 1
}
export fn svc(c: ref, number: i32) {
    reg zero, at, bad: i32
    reg bits, all: i64
    reg r: ref
    i32.br_eqi number, 2, done
    at = i32.const 9
    bits = ctx.reg c, zero, at
    all = i64.or all, bits
    at = i32.const 10
    bits = ctx.reg c, zero, at
    all = i64.or all, bits
    at = i32.const 11
    r = ctx.reg_ref c, zero, at
    i64.br_nei all, 0, strange
    ref.br_nonnull r, strange
    ctx.resume c
  strange:
    bad = i32.const 66
    halt bad
  done:
    halt zero
}";
    assert_eq!(System::new(kernel, user).same_in_all_ways().0, Outcome::Halted(0));
}

/// Messages of all lengths, one after the other in the same places: what is not in one is zero, whatever was in those before it.
#[test]
fn a_message_has_nothing_of_those_before_it() {
    let exchange = |call: &str| {
        let sum: String = "abcdefgh".chars().map(|word| format!("    t = i64.add t, {word}\n")).collect();
        format!("    a, b, c, d, e, f, g, h = svc {call}\n{sum}")
    };
    let all = "(m, m, m, m, m, m, m, m)";
    let alone = ["1(x, y)", "3(x, y)", "4(x)", "5(x)", "6(x)", "7(x)"];
    let alone: String = alone.into_iter().map(|call| exchange(&format!("1{all}")) + &exchange(call)).collect();
    let with_server = exchange("11(x)") + &exchange("12(x)") + &exchange("11(y)") + &exchange("12(y)");
    let user = format!(
        "
export fn main() {{
    reg role: i64
    role = svc 20()
    i64.br_nei role, 0, server
    call client()
    ret
  server:
    call serve()
    ret
}}
fn client() {{
    reg a, b, c, d, e, f, g, h, t, m, x, y: i64
    reg n: i32
    m = i64.const -1
    x = i64.const 1
    y = i64.const 2
  again:
{alone}{with_server}
    n = i32.addi n, 1
    i32.br_lt_si n, 5, again
    svc 2(t)
    ret
}}
fn serve() {{
    reg a, b, c, d, e, f, g, h, t, sum, m: i64
    m = i64.const -1
{}  again:
    sum = i64.mov t
    t = i64.const 0
{}    t = i64.const 0
{}    jump again
}}",
        exchange(&format!("10{all}")),
        exchange("13(sum)"),
        exchange(&format!("13{all}")),
    );
    let kernel = "
export fn svc(c: ref, number: i32) {
    reg zero, code: i32
    reg client, server: ref
    reg word, lacking: i64
    client = slot.get [zero + 3]
    server = slot.get [zero + 5]
    i32.br_eqi number, 20, who
    br_table number, [same, same, done, same, before, behind, only, nothing, same, same, ready, get, give, reply, same]
  who:
    call say_who(c, server)
  same:
    ctx.transfer c, c
    ctx.resume c
  before:
    word = i64.const 99
    ctx.set_word c, 7, word
    ctx.transfer c, c
    ctx.resume c
  behind:
    ctx.transfer c, c
    word = i64.const 5
    ctx.set_word c, 5, word
    ctx.resume c
  only:
    word = i64.const 7
    ctx.set_word c, 3, word
    ctx.resume c
  nothing:
    lacking = ctx.word c, 6
    ctx.set_word c, 0, lacking
    ctx.resume c
  ready:
    ctx.resume client
  get:
    ctx.transfer c, server
    ctx.resume c
  give:
    ctx.transfer server, c
    ctx.resume server
  reply:
    ctx.transfer client, c
    ctx.resume client
  done:
    word = ctx.word c, 0
    code = i32.from_i64 word
    code = i32.addi code, 1000
    halt code
}";
    // Each time six full messages and 3, 3, 1, 6, 7 and 0 in between; of the server the sum of what it got, and a full one, and nothing
    // when it has handed that over. And the full one with which it begins.
    let sum = 5 * (6 * -8 + 3 + 3 + 1 + 6 + 7 + (1 - 8)) - 8;
    let kernel = format!("{BOOT_TWO}{kernel}");
    assert_eq!(System::new(&kernel, &user).same_in_all_ways().0, Outcome::Halted(1000 + sum));
}

/// What a context finished with stays with it, however often it is handed over; what one gives at its `svc` does not.
#[test]
fn the_results_of_a_context_that_has_finished_are_handed_over_again_and_again() {
    let user = "
slots 4
export fn main() -> (i64, ref, i64) {
    reg role, x, y, sum: i64
    reg segment, given: ref
    reg zero, n: i32
    role = svc 20()
    segment = slot.get [zero + 0]
    i64.br_nei role, 0, server
    x = i64.const 7
    y = i64.const 8
    ret x, segment, y
  server:
    svc 1()
  again:
    x, y, given = svc 2()
    ref.br_null given, wrong
    sum = i64.muli sum, 3
    sum = i64.add sum, x
    sum = i64.add sum, y
    n = i32.addi n, 1
    i32.br_lt_si n, 5, again
    svc 3(sum)
  wrong:
    sum = i64.const 1
    svc 3(sum)
    ret x, segment, y
}";
    let kernel = format!(
        "{}{}",
        BOOT_TWO.replace("    ctx.resume first", "    call give_segment()\n    ctx.resume first"),
        "
export fn svc(c: ref, number: i32) {
    reg zero, code: i32
    reg client, server: ref
    reg word: i64
    client = slot.get [zero + 3]
    server = slot.get [zero + 5]
    i32.br_eqi number, 20, who
    br_table number, [done, first, answer, done]
  who:
    call say_who(c, server)
  first:
    ctx.resume client
  answer:
    ctx.transfer c, client
    ctx.resume c
  done:
    word = ctx.word c, 0
    code = i32.from_i64 word
    halt code
}
export fn exit(c: ref) {
    reg zero: i32
    reg server: ref
    server = slot.get [zero + 5]
    ctx.resume server
}"
    );
    let sum = (0..5).fold(0, |sum, _| 3 * sum + 15);
    assert_eq!(System::new(&kernel, user).same_in_all_ways().0, Outcome::Halted(sum));
}

/// A client that is answered by a kernel which does this with its calls, and a server that waits for whatever comes.
fn system_that_answers_by(answer: &str) -> System {
    let user = "
export fn main() {
    reg role, x, y, sum: i64
    reg n: i32
    role = svc 20()
    i64.br_nei role, 0, server
  again:
    x = i64.from_i32_u n
    x = i64.addi x, 1000
    y = i64.const 55
    x, y = svc 1(x, y)
    sum = i64.muli sum, 3
    sum = i64.add sum, x
    sum = i64.add sum, y
    n = i32.addi n, 1
    i32.br_lt_si n, 12, again
    svc 2(sum)
    ret
  server:
    svc 3()
  serve:
    x, y = svc 4(x)
    role = i64.add role, x
    jump serve
}";
    let kernel = format!(
        "{BOOT_TWO}
data asked {{ u32 0 }}
export fn svc(c: ref, number: i32) {{
    reg zero, code, count: i32
    reg client, server: ref
    reg word: i64
    client = slot.get [zero + 3]
    server = slot.get [zero + 5]
    i32.br_eqi number, 20, who
    br_table number, [done, call_it, done, ready, ready]
  who:
    call say_who(c, server)
  ready:
    ctx.resume client
  call_it:
    count = i32.load [zero + asked]
    count = i32.addi count, 1
    i32.store [zero + asked], count
    count = i32.andi count, 1
    word = i64.const 7
{answer}
  done:
    word = ctx.word c, 0
    code = i32.from_i64 word
    halt code
}}"
    );
    System::new(&kernel, user)
}

/// What the kernel sets for a caller is there when that goes on, although somebody else goes on first: the caller's message is
/// written down only then.
#[test]
fn results_that_are_set_before_another_context_goes_on_are_there() {
    // Twelve times 7, each time three times as much and that.
    let sum = (0..12).fold(0, |sum, _| 3 * sum + 7);
    let outcome = system_that_answers_by("    ctx.set_word c, 0, word\n    ctx.resume server").same_in_all_ways().0;
    assert_eq!(outcome, Outcome::Halted(sum));
}

/// The same, although the interpreter goes on with the kernel first.
#[test]
fn results_that_are_set_before_the_interpreter_goes_on_are_there() {
    let sum = (0..12).fold(0, |sum, _| 3 * sum + 7);
    let slow = "    ctx.set_word c, 0, word\n    i32.br_eqi count, 0, fast\n    code = ctx.depth server\n  fast:\n    ctx.resume c";
    assert_eq!(system_that_answers_by(slow).same_in_all_ways().0, Outcome::Halted(sum));
}

/// A message that a kernel hands over is there when who takes it goes on: what it lacks is noted only then, whether the kernel sets
/// elements that there are not before, or knows the caller by two names.
#[test]
fn a_message_that_was_handed_over_is_there_when_its_taker_goes_on() {
    let whole = (0..12).fold(0, |sum, n| 3 * sum + 1000 + n + 55);
    let other = "    server = ref.mov c\n    ctx.transfer server, c\n";
    for answer in [
        "    ctx.transfer client, c\n    ctx.set_word client, 9, word\n    ctx.resume client",
        "    ctx.transfer client, c\n    ctx.set_ref client, 5, c\n    ctx.resume client",
        &format!("{other}    ctx.resume c"),
    ] {
        assert_eq!(system_that_answers_by(answer).same_in_all_ways().0, Outcome::Halted(whole), "{answer}");
    }
    let every_other = (0..12).fold(0, |sum, n| 3 * sum + (1 - n % 2) * (1000 + n + 7));
    let answer = format!("    i32.br_eqi count, 0, ready\n{other}    ctx.set_word c, 1, word\n    ctx.resume c");
    assert_eq!(system_that_answers_by(&answer).same_in_all_ways().0, Outcome::Halted(every_other));
}

/// What the kernel sets in a message is there, although a function that it called has put another message in the place of the one
/// before.
#[test]
fn what_is_set_in_a_message_that_another_function_replaced_is_there() {
    let user = "
export fn main() {
    reg x, word, more: i64
    reg own, other: ref
    reg n, zero: i32
    svc 1()
    x = i64.const 5
  again:
    word, more, other = svc 2(x, x, own)
    i64.br_nei word, 77, wrong
    i64.br_nei more, 0, wrong
    ref.br_null other, wrong
    n = i32.addi n, 1
    i32.br_lt_si n, 5, again
    svc 3(zero)
  wrong:
    zero = i32.const 66
    svc 3(zero)
    ret
}";
    let kernel = "
export fn svc(c: ref, number: i32) {
    reg zero, code: i32
    reg client, silent: ref
    reg word: i64
    client = slot.get [zero + 3]
    silent = slot.get [zero + 5]
    br_table number, [done, first, call_it, done]
  first:
    code = ref.eq c, silent
    i32.br_nei code, 0, begin
    ctx.resume c
  begin:
    ctx.resume client
  call_it:
    ctx.transfer c, c
    call replace(c, silent, number)
    word = i64.const 77
    ctx.set_word c, 0, word
    ctx.set_ref c, 0, silent
    ctx.resume c
  done:
    word = ctx.word c, 0
    code = i32.from_i64 word
    halt code
}
fn replace(c: ref, other: ref, number: i32) {
    i32.br_eqi number, 9, done
    ctx.transfer c, other
  done:
    ret
}";
    let kernel = format!("{BOOT_TWO}{kernel}");
    assert_eq!(System::new(&kernel, user).same_in_all_ways().0, Outcome::Halted(0));
}
