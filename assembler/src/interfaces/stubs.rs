//! The functions of an interface, in the structured notation: a stub for each method, `dispatch`, and `serve`.
//!
//! Their own names begin with `_`, which those of parameters do not.

use std::fmt::Write;

use super::message::{Message, Place};
use super::{CALL_ERROR, Names};
use crate::ast::{Interface, Method, MethodParam, TypeKind};
use crate::source::Span;

/// The stub of a method: what a client calls.
pub(super) fn client(
    scope: &str,
    interface: &Interface,
    method: &Method,
    message: &Message<'_>,
    names: &Names<'_>,
) -> String {
    let (name, error) = (&interface.name.text, error(message, names));
    let params: Vec<_> =
        message.params.iter().map(|(param, _)| format!(", {}: {}", param.name.text, names.text(&param.ty))).collect();
    let types: Vec<_> = message.results.iter().map(|(ty, _)| names.text(ty)).collect();
    let types = if types.is_empty() { String::new() } else { format!("({}) ", types.join(", ")) };
    let header = u64::from(message.number) | u64::from(message.flags()) << 16;
    let mut text =
        format!("{scope}fn {name}.{}(self: ref {name}{}) -> {types}! {error} {{\n", method.name.text, params.concat());
    let mut add = |line: String| {
        let _ = writeln!(text, "{line}");
    };
    add(format!("let _header: u64 = {header:#x} | u64(call_timeout) << 32"));
    sent(message).into_iter().for_each(&mut add);
    add("var _status: i64\nvar _error: i32\nvar _again: u32 = CALL_TRIES".into());
    received(message).into_iter().for_each(&mut add);
    add(format!("loop {{\n{}\n_error = _status as i32", call(message)));
    add(format!(
        "if _again == 0 or not CallError.is_passing(_error, {}) {{\nbreak\n}}\n_again -= 1\n}}",
        method.idempotent
    ));
    add(format!(
        "if _error != 0 {{\nif not {error}.has(_error) {{\nfail {error}.BadReply\n}}\nfail {error}(_error)\n}}"
    ));
    for (_, place) in &message.results {
        if let Place::Word(word, scalar) = place
            && let Some(refused) = scalar.refused(&format!("_result{word}"))
        {
            add(format!("if {refused} {{\nfail {error}.BadReply\n}}"));
        }
    }
    let values = message.results.iter().map(|(ty, place)| match place {
        Place::Word(word, scalar) => scalar.unpacked(&format!("_result{word}")),
        Place::Reference(place) => format!("_reference{place} as {}", names.text(ty)),
        Place::Lend(..) => String::new(),
    });
    add(format!("return {}\n}}", values.collect::<Vec<_>>().join(", ")));
    text
}

fn error<'a>(message: &Message<'a>, names: &Names<'a>) -> &'a str {
    message.method.results.error.as_ref().map_or(CALL_ERROR, |ty| names.text(ty))
}

/// The words that are sent.
fn sent(message: &Message<'_>) -> Vec<String> {
    let line = |(param, place): &(&MethodParam, Place)| match place {
        Place::Word(word, scalar) => Some(format!("let _word{word}: u64 = {}", scalar.packed(&param.name.text))),
        Place::Lend(word, _) => Some(format!("let _word{word}: u64 = Lend.word({})", param.name.text)),
        Place::Reference(_) => None,
    };
    message.params.iter().filter_map(line).collect()
}

/// Declares what is received.
fn received(message: &Message<'_>) -> Vec<String> {
    let line = |place: &Place| match place {
        Place::Word(word, _) => format!("var _result{word}: u64"),
        Place::Reference(place) => format!("var _reference{place}: ref"),
        Place::Lend(..) => String::new(),
    };
    let mut lines: Vec<_> = message.results.iter().map(|(_, place)| line(place)).collect();
    lines.extend(gives_references(message).then(|| "var _none: ref".to_owned()));
    lines
}

fn gives_references(message: &Message<'_>) -> bool {
    message.results.iter().any(|(_, place)| matches!(place, Place::Reference(_)))
}

/// The instruction.
fn call(message: &Message<'_>) -> String {
    let words = message.params.iter().filter(|(_, place)| !matches!(place, Place::Reference(_))).count();
    let mut taken: Vec<String> = vec!["self".into()];
    taken.extend(message.params.iter().filter_map(|(param, place)| match place {
        Place::Reference(_) => Some(param.name.text.to_string()),
        _ => None,
    }));
    taken.push("_header".into());
    taken.extend((1..=words).map(|word| format!("_word{word}")));
    let mut given: Vec<String> = vec!["_status".into()];
    given.extend(message.results.iter().filter_map(|(_, place)| match place {
        Place::Word(word, _) => Some(format!("_result{word}")),
        _ => None,
    }));
    given.extend(gives_references(message).then(|| "_none".to_owned()));
    given.extend(message.results.iter().filter_map(|(_, place)| match place {
        Place::Reference(place) => Some(format!("_reference{place}")),
        _ => None,
    }));
    format!("{} = svc SVC_CALL({})", given.join(", "), taken.join(", "))
}

/// `dispatch`, which calls the server's function for a message, and `serve`, which does so for all messages: parts of the text,
/// each with the place that it stands for.
pub(super) fn server(scope: &str, interface: &Interface, methods: &[Message<'_>]) -> Vec<(String, Span)> {
    let name = &interface.name.text;
    let begin = format!(
        "{scope}fn {name}.dispatch[_State](state: *_State, message: Message) -> Message {{\n\
         let _caller = (message.header >> 32) as u32\nlet _flags = (message.header >> 16) as u16\n\
         match message.header as u16 {{\n"
    );
    let end = format!(
        "else => {{\n}}\n}}\nreturn Message.failed(CallError.BadMessage as i32)\n}}\n\
         {scope}fn {name}.serve[_State](endpoint: ref, state: *_State) {{\n\
         var _message = Message.receive(endpoint)\n\
         while _message.header as u16 != 0 {{\n\
         _message = Message.reply_receive(endpoint, {name}.dispatch(state, _message))\n}}\n}}\n"
    );
    let arms = methods.iter().map(|message| (arm(message), message.method.name.span));
    let ends = [begin, end].map(|text| (text, interface.name.span));
    let [begin, end] = ends;
    std::iter::once(begin).chain(arms).chain([end]).collect()
}

/// What is done about the message of a method: it is refused unless it is as the declaration says.
fn arm(message: &Message<'_>) -> String {
    let mut refused = vec![format!("_flags != {}", message.flags())];
    let mut arguments = vec!["_caller".to_owned()];
    for (param, place) in &message.params {
        arguments.push(match place {
            Place::Word(word, scalar) => {
                let word = format!("message.w{word}");
                refused.extend(scalar.refused(&word));
                scalar.unpacked(&word)
            }
            Place::Reference(place) => match &param.ty.kind {
                TypeKind::Ref(name) => format!("message.r{place} as ref {}", name.text),
                _ => format!("message.r{place}"),
            },
            Place::Lend(word, view) => {
                let view = if *view == 0 { "lend" } else { "r3" };
                format!("Lend(view: message.{view} as ref Segment, len: (message.w{word} >> 32) as u32)")
            }
        });
    }
    let call = format!("state.{}({})", message.method.name.text, arguments.join(", "));
    let catch = match message.method.results.error {
        Some(_) => " catch _error {\nreturn Message.failed(_error as i32)\n}",
        None => "",
    };
    let names: Vec<_> = (0..message.results.len()).map(|index| format!("_value{index}")).collect();
    let bind = if names.is_empty() { String::new() } else { format!("let {} = ", names.join(", ")) };
    let fields = names.iter().zip(&message.results).map(|(name, (_, place))| match place {
        Place::Word(word, scalar) => format!("w{word}: {}", scalar.packed(name)),
        Place::Reference(place) => format!("r{place}: {name}"),
        Place::Lend(..) => String::new(),
    });
    format!(
        "{} => {{\nif {} {{\nreturn Message.failed(CallError.BadMessage as i32)\n}}\n{bind}{call}{catch}\nreturn Message({})\n}}\n",
        message.number,
        refused.join(" or "),
        fields.collect::<Vec<_>>().join(", "),
    )
}
