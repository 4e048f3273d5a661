//! Kernels made at random whose services are short: what the compiler puts in the place of an `svc`, with all the ways out of
//! it. Two contexts of one client call them.

use super::random::Random;

/// Numbers of services.
const SERVICES: usize = 6;

/// The slots that services use: both contexts, a view of the client's home, and one that is null at first.
const SLOTS: [&str; 5] = ["FIRST", "SECOND", "VIEW", "SPARE", "HUNG"];

const WORDS: [&str; 4] = ["w0", "w1", "w2", "w3"];

/// A kernel's source.
pub(crate) fn kernel(random: &mut Random) -> String {
    let timer = if random.below(4) == 0 { "call wind()" } else { "" };
    let mut text = format!("{HEAD}{}", BOOT.replace("TIMER", timer));
    text.push_str(&entry(random));
    text.push_str(&rest(random));
    for number in 0..=SERVICES {
        text.push_str(&service(random, number));
    }
    text.push_str(&helper(random));
    text
}

/// Goes to the service of a number: the end of a function. Labels begin with a prefix.
fn table(prefix: &str, register: &str, services: usize) -> String {
    let targets: Vec<String> = (0..=services).map(|number| format!("{prefix}{number}")).collect();
    let mut text = format!("    br_table {register}, [{}]\n", targets.join(", "));
    for number in 0..=services {
        text.push_str(&format!("  {prefix}{number}:\n    call serve{number}(c)\n    trap 9\n"));
    }
    text
}

/// The kernel's door, which finds the service in one of many ways.
fn entry(random: &mut Random) -> String {
    let (served, k) = (random.below(200), random.below(5));
    let whole = |register: &str| table("s", register, SERVICES);
    let before = one_of(
        random,
        &[
            "",
            "",
            "    i = i32.load [zero + memory + 40]\n    i = i32.addi i, 1\n    i32.store [zero + memory + 40], i\n",
            "    i32.br_gt_ui number, 2, on\n    i = i32.const 7\n    i32.store [zero + memory + 48], i\n  on:\n    i = i32.addi i, 0\n",
            "    i = i32.load [zero + memory + 40]\n",
            "    call tick()\n",
        ],
    );
    let serve = format!("fn serve(c: ref, number: i32) {{\n    reg i, zero: i32\n{}}}\n", whole("number"));
    let door =
        |body: String| format!("export fn svc(c: ref, number: i32) {{\n    reg i, zero: i32\n{before}{body}}}\n");
    let text = match random.below(13) {
        0 => door(whole("number")),
        1 => {
            door(format!(
                "    i = i32.load [zero + served]\n    i32.br_gt_ui i, {served}, slow\n    call serve(c, number)\n    trap 9\n\
                 \x20 slow:\n    call later(c, number)\n    trap 9\n"
            )) + "fn later(c: ref, number: i32) {\n    call tick()\n    call serve(c, number)\n    trap 9\n}\n"
                + &serve
        }
        2 => door(format!(
            "    i32.br_gt_ui number, {k}, clip\n{}  clip:\n    number = i32.andi number, 1\n{}",
            table("a", "number", SERVICES),
            table("b", "number", SERVICES),
        )),
        3 => {
            door("    call mid(c, number)\n    trap 9\n".to_owned())
                + "fn mid(c: ref, number: i32) {\n    call serve(c, number)\n    trap 9\n}\n"
                + &serve
        }
        4 => door(format!(
            "    jump again\n  again:\n    br_table number, [s0, s1, down]\n  s0:\n    call serve0(c)\n    trap 9\n  s1:\n\
             \x20   call serve1(c)\n    trap 9\n  down:\n    number = i32.const {}\n    jump again\n",
            random.below(2)
        )),
        5 => door(
            "  again:\n    i = i32.addi i, 1\n    i32.br_lt_ui i, 3, again\n    call serve(c, number)\n    trap 9\n"
                .to_owned(),
        ) + &serve,
        6 => {
            door("    call three(c, number, i)\n    trap 9\n".to_owned())
                + &format!("fn three(c: ref, number: i32, i: i32) {{\n{}}}\n", whole("number"))
        }
        7 => door(format!("    i = i32.addi number, 0\n{}", whole("i"))),
        8 => {
            door("    call pick(number, c)\n    trap 9\n".to_owned())
                + &format!("fn pick(number: i32, c: ref) {{\n{}}}\n", whole("number"))
        }
        9 => door("    number = i32.xori number, 1\n    call serve(c, number)\n    trap 9\n".to_owned()) + &serve,
        10 => {
            let direct = random.below(2) == 0;
            let (first, second) = if direct { ("second", "x1") } else { ("x1", "second") };
            door("    call twice(c, number)\n    trap 9\n".to_owned())
                + &format!(
                    "fn twice(c: ref, number: i32) {{\n    reg i, zero: i32\n    br_table number, [x0, {first}, x1, second, {second}]\n  x0:\n\
                     \x20   call serve6(c)\n    trap 9\n  x1:\n    number = i32.addi number, {k}\n    jump second\n  second:\n{}}}\n",
                    whole("number")
                )
        }
        11 => {
            // What the number is copied to is passed on, or the other way round.
            door("    i = i32.addi number, 0\n    call serve(c, i)\n    trap 9\n".to_owned()) + &serve
        }
        _ => {
            door(format!(
                "    i32.br_eqi number, {k}, other\n    call serve(c, number)\n    trap 9\n  other:\n    number = i32.const {}\n\
                 \x20   call serve(c, number)\n    trap 9\n",
                random.below(7)
            )) + &serve
        }
    };
    text + "fn tick() {\n    reg i, zero: i32\n    i = i32.load [zero + memory + 56]\n    i = i32.addi i, 1\n    i32.store [zero + memory + 56], i\n    ret\n}\n"
}

/// What services leave the caller to, who may come back.
fn rest(random: &mut Random) -> String {
    format!(
        "fn rest(c: ref) {{\n    reg zero: i32\n    reg w, v: i64\n    w = i64.load [zero + memory]\n    w = i64.addi w, 5\n\
         \x20   v = ctx.word c, {}\n    i64.store [zero + memory], w\n{}}}\n",
        random.below(8),
        one_of(
            random,
            &[
                "    ret\n",
                "    ctx.set_word c, 1, w\n    ctx.resume c\n",
                "    i64.br_lt_s w, v, own\n    ret\n  own:\n    ctx.resume c\n",
                "    ctx.set_word c, 2, v\n    call tick()\n    ret\n",
            ]
        )
    )
}

/// A client's source.
pub(crate) fn client(random: &mut Random) -> String {
    let mut text = String::from(CLIENT);
    for _ in 0..2 + random.below(5) {
        let (given, taken) = (random.below(5), random.below(5));
        let words = |count: usize| WORDS[..count].to_vec();
        let reference = |bare: Vec<&'static str>, with: bool| [bare, if with { vec!["a"] } else { vec![] }].concat();
        let given = reference(words(given), random.below(3) == 0).join(", ");
        let taken = reference(words(taken), random.below(2) == 0).join(", ");
        let equals = if taken.is_empty() { "" } else { " = " };
        text.push_str(&format!("    {taken}{equals}svc {}({given})\n", random.below(SERVICES + 2)));
        text.push_str(one_of(
            random,
            &[
                "    w1, st = i64.seg_try_load [a, w3]\n",
                "    w3 = i64.shr_ui w3, 60\n    w1, st = i64.seg_try_load [a, w3]\n    w2 = i64.from_i32_u st\n",
                "    w3 = i64.shr_ui w3, 62\n    st = i64.seg_try_store [a, w3], w0\n    w1 = i64.from_i32_u st\n",
                "    st = ref.rights a\n    w1 = i64.from_i32_u st\n",
                "    w0 = i64.add w0, w3\n",
                "    w2 = i64.xor w1, w0\n",
                "    w1 = call inner(w0, w2)\n",
            ],
        ));
    }
    text.push_str(CLIENT_END);
    text
}

fn service(random: &mut Random, number: usize) -> String {
    let mut text = format!(
        "fn serve{number}(c: ref) {{\n    reg a, other: ref\n    reg w0, w1, w2, w3: i64\n    reg i, zero: i32\n\
         \x20   i = i32.load [zero + served]\n    i32.br_gt_ui i, MOST, enough\n    i = i32.addi i, 1\n\
         \x20   i32.store [zero + served], i\n    other = slot.get [zero + {}]\n",
        random.pick(&SLOTS[..2])
    );
    for step in 0..random.below(12) {
        text.push_str(&self::step(random, step));
    }
    text.push_str(one_of(
        random,
        &[
            "    ctx.resume c\n",
            "    ctx.resume other\n",
            "    i64.br_lt_s w0, w1, own\n    ctx.resume other\n  own:\n    ctx.resume c\n",
        ],
    ));
    text.push_str("  enough:\n    halt i\n}\n");
    text
}

/// A function that services call, and that calls another one.
fn helper(random: &mut Random) -> String {
    let k = random.below(9);
    format!(
        "fn helper(c: ref, other: ref, w0: i64) -> (i64, ref) {{\n    reg a: ref\n    reg w1: i64\n    reg zero: i32\n\
         \x20   w1 = ctx.word c, {k}\n    w1 = call mixed(w0, w1)\n    a = slot.get [zero + {}]\n    {}\n    ret w1, a\n}}\n\
         fn mixed(w0: i64, w1: i64) -> i64 {{\n    reg zero: i32\n    reg w2: i64\n    w2 = i64.load [zero + memory]\n\
         \x20   w0 = i64.add w0, w2\n    w0 = i64.xor w0, w1\n    i64.store [zero + memory], w0\n    ret w0\n}}\n",
        random.pick(&SLOTS),
        random.pick(&["ctx.set_word other, 1, w1", "ctx.transfer other, c", "nop", "ctx.set_ref c, 0, a"]),
    )
}

fn one_of<'a>(random: &mut Random, texts: &[&'a str]) -> &'a str {
    texts[random.below(texts.len())]
}

fn step(random: &mut Random, step: usize) -> String {
    let [w, v] = [(); 2].map(|()| *random.pick(&WORDS));
    // A use of `a` ends the kernel more often than not.
    let sound = random.below(40) > 0;
    let [who, whom] = [(); 2].map(|()| if sound { *random.pick(&["c", "other"]) } else { "a" });
    let k = *random.pick(&[0, 1, 2, 3, 7, 8]);
    let slot = *random.pick(&SLOTS);
    let line = match random.below(31) {
        0 | 1 => format!("{w} = ctx.word {who}, {k}"),
        2 => format!("a = ctx.ref {who}, {k}"),
        3 | 4 => format!("ctx.set_word {who}, {k}, {w}"),
        5 => format!("ctx.set_ref {who}, {k}, a"),
        6 | 7 => format!("ctx.transfer {who}, {whom}"),
        8 => format!("a = slot.get [zero + {slot}]"),
        9 if random.below(30) == 0 => "a = slot.get [i + FIRST]".to_owned(),
        9 => "slot.set [zero + SPARE], a".to_owned(),
        10 => format!("{w} = i64.{} {w}, {v}", random.pick(&["add", "sub", "mul", "xor"])),
        11 => format!("i = i32.from_i64 {w}\n    i = i32.andi i, 0xff\n    i64.store [i + memory], {v}"),
        12 if random.below(30) == 0 => format!("i = i32.from_i64 {w}\n    {v} = i64.load [i + memory]"),
        12 => format!("{w} = i64.load [zero + memory + {}]", 8 * k),
        13 => format!(
            "i64.br_{}_s {w}, {v}, over{step}\n    {v} = i64.addi {w}, {k}\n  over{step}:\n    i = i32.addi i, 0",
            random.pick(&["lt", "le"])
        ),
        14 => format!("{w}, a = call helper(c, other, {v})"),
        15 => format!(
            "a = slot.get [zero + VIEW]\n    {w} = i64.shr_ui {w}, {}\n    i = i32.const 3\n\
             \x20   a = mem.lend a, {w}, {w}, i\n    slot.set [zero + VIEW], a",
            random.pick(&[63, 60, 55]),
        ),
        16 if random.below(2) == 0 => format!("a = ref.null\n    ctx.set_ref {who}, {k}, a"),
        16 => format!("{w} = i64.const 0\n    ctx.set_word {who}, {k}, {w}"),
        18 => format!("i = ref.kind a\n    {w} = i64.from_i32_u i"),
        19 => format!("i = ref.rights a\n    {w} = i64.from_i32_u i"),
        20 => format!(
            "i = ref.kind a\n    i32.br_eqi i, 0, dead{step}\n    {w} = obj.payload a, 0\n  dead{step}:\n    i = i32.addi i, 0"
        ),
        21 if random.below(3) == 0 => "call hang()".to_owned(),
        21 => "call unhang()".to_owned(),
        22 if random.below(6) == 0 => "call renew(c)\n    other = slot.get [zero + SECOND]".to_owned(),
        22 => format!(
            "a = slot.get [zero + HUNG]\n    i = ref.kind a\n    {w} = i64.from_i32_u i\n    ctx.set_word c, 1, {w}"
        ),
        23 => "a = slot.get [zero + VIEW]\n    ctx.set_ref c, 0, a".to_owned(),
        24 => format!(
            "a = slot.get [zero + VIEW]\n    {w} = i64.const 0\n    i = i32.const 0\n\
             \x20   a = mem.lend a, {w}, {w}, i\n    slot.set [zero + VIEW], a"
        ),
        25 => format!(
            "ctx.transfer other, c\n    {w} = i64.addi {v}, 3\n    ctx.set_word other, {}, {w}\n\
             \x20   a = ref.null\n    ctx.set_ref other, 0, a",
            random.below(5)
        ),
        26 => format!(
            "a = slot.get [zero + VIEW]\n    i = i32.const 3\n    {w} = i64.shr_ui {w}, 58\n\
             \x20   a = mem.lend a, {w}, {w}, i\n    slot.set [zero + VIEW], a\n    ctx.set_ref c, 0, a"
        ),
        27 => "call rest(c)".to_owned(),
        28 => format!("i64.br_lt_s {w}, {v}, over{step}\n    call rest(c)\n  over{step}:\n    i = i32.addi i, 0"),
        29 => {
            format!("i64.br_lt_s {w}, {v}, over{step}\n    ctx.transfer {who}, c\n  over{step}:\n    i = i32.addi i, 0")
        }
        30 => format!("ctx.set_word c, {k}, {w}\n    ctx.resume other"),
        _ => format!("i = ctx.state {who}\n    {w} = i64.from_i32_u i"),
    };
    if sound && line.contains("other") {
        // Who stands at no `svc` has no message.
        return format!(
            "    i = ctx.state other\n    i32.br_nei i, 1, not{step}\n    {line}\n  not{step}:\n    i = i32.addi i, 0\n"
        );
    }
    format!("    {line}\n")
}

const HEAD: &str = "
const ACCOUNT = 0
const MODULE = 1
const FIRST = 3
const SECOND = 4
const VIEW = 5
const SPARE = 6
const HUNG = 7
const DOMAIN = 8
const BACK = 9
const MOST = 200
data faults at 16 { u32 0 }
data served { u32 0 }
data entry { u32 0 }
data main_name { \"main\" }
reserve memory 1024
slots 12
";

const BOOT: &str = "
export fn boot() {
    reg account, module, home, domain, first, second, view: ref
    reg zero, name, length, function, cells: i32
    reg payload, start, size: i64
    account = slot.get [zero + ACCOUNT]
    module = slot.get [zero + MODULE]
    domain = domain.make account, module, home, payload
    name = i32.const main_name
    length = i32.const sizeof main_name
    function = domain.export domain, name, length
    cells = i32.const 2000
    first = ctx.make account, domain, function, cells, payload
    second = ctx.make account, domain, function, cells, payload
    slot.set [zero + FIRST], first
    slot.set [zero + DOMAIN], domain
    i32.store [zero + entry], function
    slot.set [zero + SECOND], second
    size = i64.const 7
    ctx.set_word second, 0, size
    home = domain.home domain
    size = seg.size home
    cells = i32.const 3
    view = mem.derive home, domain, account, start, size, cells
    slot.set [zero + VIEW], view
    TIMER
    ctx.resume first
}

fn hang() {
    reg view, account, a: ref
    reg zero, i: i32
    reg w, v: i64
    view = slot.get [zero + VIEW]
    i = ref.kind view
    i32.br_eqi i, 0, done
    account = slot.get [zero + ACCOUNT]
    i = i32.const 3
    w = i64.const 0
    a = mem.derive view, view, account, w, w, i
    slot.set [zero + HUNG], a
  done:
    ret
}

fn unhang() {
    reg a: ref
    reg zero, i: i32
    a = slot.get [zero + HUNG]
    i = ref.kind a
    i32.br_eqi i, 0, done
    obj.revoke a
  done:
    ret
}

fn renew(c: ref) {
    reg account, domain, second: ref
    reg zero, function, cells: i32
    reg payload: i64
    second = slot.get [zero + SECOND]
    cells = ref.eq second, c
    i32.br_nei cells, 0, done
    obj.revoke second
    account = slot.get [zero + ACCOUNT]
    domain = slot.get [zero + DOMAIN]
    function = i32.load [zero + entry]
    cells = i32.const 2000
    second = ctx.make account, domain, function, cells, payload
    payload = i64.const 7
    ctx.set_word second, 0, payload
    slot.set [zero + SECOND], second
  done:
    ret
}

fn wind() {
    reg at: i64
    at = timer.now
    at = i64.addi at, 37
    timer.set at
    ret
}

export fn interrupt(running: ref) {
    reg pending: i64
    reg zero: i32
    reg second: ref
    pending = irq.take
    call wind()
    second = slot.get [zero + SECOND]
    ref.br_null running, other
    ctx.resume running
  other:
    ctx.resume second
}

export fn fault(c: ref, code: i32) {
    reg zero, count: i32
    count = i32.const 1
    i32.store [zero + faults], count
    halt code
}

export fn exit(c: ref) {
    reg zero: i32
    halt zero
}

";

const CLIENT: &str = "
home 1
export fn main(w0: i64) {
    reg w1, w2, w3: i64
    reg a: ref
    reg zero, st: i32
  again:
";

const CLIENT_END: &str = "
    i64.store [zero + 64], w2
    jump again
}

fn inner(w0: i64, w1: i64) -> i64 {
    reg a: ref
    w1 = i64.add w1, w0
    w0, a = svc 1(w1, w0, a)
    w0 = i64.rotli w0, 9
    ret w0
}
";
