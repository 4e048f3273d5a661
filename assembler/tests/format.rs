//! The formatter: what it lays out, what it keeps, and that it settles.

use limen_assembler::{format, format_named};

/// Asserts that `source` is laid out as `expected`, and that `expected` stays as it is.
#[track_caller]
fn lays_out(source: &str, expected: &str) {
    assert_eq!(format(source).unwrap(), expected);
    assert_eq!(format(expected).unwrap(), expected, "not settled");
}

#[test]
fn statements_get_a_line_each_and_even_spacing() {
    lays_out(
        "export   fn f(a:i32,b :ref)->(i32){reg x,y:i32;x=i32.addi a,-1;again:i32.br_lt_s x,y,again;ret x}",
        "export fn f(a: i32, b: ref) -> i32 {
    reg x, y: i32
    x = i32.addi a, -1
  again:
    i32.br_lt_s x, y, again
    ret x
}
",
    );
}

#[test]
fn brackets_attach_to_what_they_belong_to() {
    lays_out(
        "fn f() {\ni32.store[p+4],x\nx=i32.load [ p ]\nbr_table i,[a,b]\nx,y=call f (a,b)\n\
         x=call_indirect tbl [i] sig (a)\nx=svc 3 (a)\nx=svc(A+B)(a)\ni32.const(1+2)*-3\n}",
        "fn f() {
    i32.store [p + 4], x
    x = i32.load [p]
    br_table i, [a, b]
    x, y = call f(a, b)
    x = call_indirect tbl[i] sig(a)
    x = svc 3(a)
    x = svc (A + B)(a)
    i32.const (1 + 2) * -3
}
",
    );
}

#[test]
fn declarations() {
    lays_out(
        "use \"a.lim\"\nconst A=-1+ -2\nconst B = ~ (A)\ntype t=fn(i32,ref)->(i32,i64)\ntype u = fn()->()\n\
         home 1 max(2)\nslots 3\nreserve r 16 align 8\nexport \"x y\"=f",
        "use \"a.lim\"
const A = -1 + -2
const B = ~(A)
type t = fn(i32, ref) -> (i32, i64)
type u = fn()
home 1 max (2)
slots 3
reserve r 16 align 8
export \"x y\" = f
",
    );
}

#[test]
fn data_and_tables_stay_on_one_line_or_get_one_each() {
    lays_out(
        "data a{\"x\";u8 -1,2}\ndata b align 4 { \"x\"; u8 1,\n2\n\n\n zero 4 }\ntable t{f,g,null}\ntable u {\nf,\ng }\ndata c {}",
        "data a { \"x\"; u8 -1, 2 }
data b align 4 {
    \"x\"
    u8 1,
        2

    zero 4
}
table t { f, g, null }
table u {
    f,
    g
}
data c { }
",
    );
}

#[test]
fn comments_stay_where_they_are() {
    lays_out(
        "// top\n\n\n/// doc\nfn f() { // opens\n\n// first\n  x = i32.add a, b // sum\n  longer = i32.add a, b// sum 2\n\n  \
         /* whole */\nloop: // label\n ret /* nothing */ x // end\n// last\n\n} // closes\n/* two\n   lines */\n",
        "// top

/// doc
fn f() { // opens
    // first
    x = i32.add a, b      // sum
    longer = i32.add a, b // sum 2

    /* whole */
  loop:                 // label
    ret /* nothing */ x // end
    // last
} // closes
/* two
   lines */
",
    );
}

#[test]
fn lines_that_go_on_are_indented_further() {
    lays_out(
        "fn f() {\ncall f(a,\nb, // why\n// more\nc\n)\nret a,\nb\n}\nfn g(a: i32,\nb: i32\n) {\nret\n}",
        "fn f() {
    call f(a,
        b, // why
        // more
        c
    )
    ret a,
        b
}
fn g(a: i32,
    b: i32
) {
    ret
}
",
    );
}

#[test]
fn blank_lines_are_kept_once_and_never_at_the_edges() {
    lays_out("\n\n\nconst A = 1\n\n\n\nconst B = 2\n\n\n", "const A = 1\n\nconst B = 2\n");
    lays_out("// ends in {\n\nconst A = 1", "// ends in {\n\nconst A = 1\n");
    lays_out("", "");
}

#[test]
fn windows_line_ends_become_plain() {
    lays_out("const A = 1 // x\r\n\r\n/* a\r\nb */\r\n", "const A = 1 // x\n\n/* a\nb */\n");
}

#[test]
fn a_source_that_does_not_parse_is_refused() {
    let errors = format_named("broken.lim", "fn f( {\n").unwrap_err();
    assert!(errors.render(false).contains("--> broken.lim:1:5"), "{errors}");
}

#[test]
fn declarations_of_the_structured_notation() {
    lays_out(
        "private   const A:u32=1\nprivate static a:[4]u8=[ 1,2 ]\nstatic b:[]*u32\nstatic c : [A+1][2] * Pair[ u8,[]u8 ]=null\n\
         struct Pair [A,B]{first:A,second:B}\nenum Kind:u8{\nA,\nB=2\n\n\nuse Other}\nstruct None { }\n\
         interface Files{idempotent fn read(at:u64,into:lend mut []u8)->u32!E=1\nfn give(f : move ref File) -> !E=2}\n\
         export fn f[T](a:*T,g:fn(u32)->(bool),r:ref File)->([]u8,u32)!Error{}\nfn g() -> () ! E { }",
        "private const A: u32 = 1
private static a: [4]u8 = [1, 2]
static b: []*u32
static c: [A + 1][2]*Pair[u8, []u8] = null
struct Pair[A, B] { first: A, second: B }
enum Kind: u8 {
    A,
    B = 2

    use Other
}
struct None { }
interface Files {
    idempotent fn read(at: u64, into: lend mut []u8) -> u32 ! E = 1
    fn give(f: move ref File) -> ! E = 2
}
export fn f[T](a: *T, g: fn(u32) -> bool, r: ref File) -> ([]u8, u32) ! Error {
}
fn g() -> ! E {
}
",
    );
}

#[test]
fn expressions_of_the_structured_notation() {
    lays_out(
        "fn f(){\nlet a,b:u32=-x+y*-z,if c  then 1 else( 2 )\np.*=q.*.x as * u8\na[i]+=s[ 1 .. n ][..].len>>2\n\
         let _=try f ( &x,~y )and not(a or b)\nlet s = slice(null as*[4]u8,sizeof ( u32 ))\nx= P[u32] (x : 1 , y:[1,2])\n\
         a.b(c)[0] = T.new[ u8 ]()\nlet n = i32.rotli (a,7)*2-'a'&x\nlet c = fs[i](x)\n}",
        "fn f() {
    let a, b: u32 = -x + y * -z, if c then 1 else (2)
    p.* = q.*.x as *u8
    a[i] += s[1..n][..].len >> 2
    let _ = try f(&x, ~y) and not (a or b)
    let s = slice(null as *[4]u8, sizeof(u32))
    x = P[u32](x: 1, y: [1, 2])
    a.b(c)[0] = T.new[u8]()
    let n = i32.rotli(a, 7) * 2 - 'a' & x
    let c = fs[i](x)
}
",
    );
}

#[test]
fn statements_of_the_structured_notation() {
    lays_out(
        "fn f(){ if a{b()} else if c { d() }else{ e() }\nouter :\nfor i , x in s{ for j in 0 .. n { continue outer } }\n\
         while not a{ x = call g (a); y+=1 }\nlet v=f() catch error{ return }\nlet w = f() catch -1\nloop{break}\n\
         defer{ a() }\nassert a==b,\"why\"\n  inner:\n  ret }\ntest \"t\"{ f() }",
        "fn f() {
    if a {
        b()
    } else if c {
        d()
    } else {
        e()
    }
  outer:
    for i, x in s {
        for j in 0..n {
            continue outer
        }
    }
    while not a {
        x = call g(a)
        y += 1
    }
    let v = f() catch error {
        return
    }
    let w = f() catch -1
    loop {
        break
    }
    defer {
        a()
    }
    assert a == b, \"why\"
  inner:
    ret
}
test \"t\" {
    f()
}
",
    );
}

#[test]
fn arms_get_a_line_each() {
    lays_out(
        "fn f() {\nmatch x{\nA=>return 1 // one\n'0' ..= '9',\n-1=>{ g() }\n\n\n// rest\nelse=>match y { B => x=1\nelse => i32.store [p],x\n}\n}\n}",
        "fn f() {
    match x {
        A => return 1 // one
        '0'..='9',
        -1 => {
            g()
        }

        // rest
        else => match y {
            B => x = 1
            else => i32.store [p], x
        }
    }
}
",
    );
}

#[test]
fn both_notations_in_one_body() {
    lays_out(
        "fn f(a:*Node[u32])->u32{reg x,y:*Node[u32]\nvar n:u32=0\nn=i32.load [a+4]\nx,y=call g (n , a)\nn=svc 3(a)\n\
         br_table n,[one,two]\none: two:\n\n ret n}",
        "fn f(a: *Node[u32]) -> u32 {
    reg x, y: *Node[u32]
    var n: u32 = 0
    n = i32.load [a + 4]
    x, y = call g(n, a)
    n = svc 3(a)
    br_table n, [one, two]
  one:
  two:

    ret n
}
",
    );
}

#[test]
fn long_expressions_go_on_in_brackets() {
    lays_out(
        "fn f() {\nlet d = Date(\nyear: 1,\n// why\nmonth: 2\n)\nreturn g(a,\nb)\n}\nstatic t: [2]u8 = [\n1,\n2\n]",
        "fn f() {
    let d = Date(
        year: 1,
        // why
        month: 2
    )
    return g(a,
        b)
}
static t: [2]u8 = [
    1,
    2
]
",
    );
}
