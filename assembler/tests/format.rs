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
