//! The page of documentation that a file's interfaces make.

use std::fmt::Write;

use super::Names;
use crate::ast::{Ast, Enum, EnumEntry, ExprKind, Interface, Item, Method, Passing, UnaryOperator};
use crate::diagnostic::Diagnostics;
use crate::load::load;
use crate::source::{FileId, Loader, SourceFile, Span};

/// Documents the interfaces that a source declares, in Markdown: each method with its number, and what the comments before it
/// say; the errors with theirs.
///
/// # Errors
///
/// If the source, or what it uses, does not parse.
pub fn document(name: &str, source: &str, loader: &dyn Loader) -> Result<String, Diagnostics> {
    let loaded = load(name, source, loader);
    if !loaded.errors.is_empty() {
        return Err(loaded.errors.into_diagnostics(loaded.sources));
    }
    let names = Names::of(&loaded.trees, &loaded.sources);
    let mut page = Page { text: String::new(), names: &names, file: loaded.sources.get(FileId(0)) };
    let tree: Option<&Ast> = loaded.trees.first();
    for item in tree.iter().flat_map(|tree| &tree.items) {
        match item {
            Item::Interface(interface) => page.interface(interface),
            Item::Enum(item) if names.has_call_errors(&item.name.text) => page.errors(item),
            _ => {}
        }
    }
    Ok(page.text)
}

struct Page<'a> {
    text: String,
    names: &'a Names<'a>,
    file: Option<&'a SourceFile>,
}

impl Page<'_> {
    fn interface(&mut self, interface: &Interface) {
        self.heading(&format!("# {}", interface.name.text));
        self.comment(interface.name.span);
        for method in &interface.methods {
            self.method(method);
        }
    }

    fn method(&mut self, method: &Method) {
        self.heading(&format!("## {}", method.name.text));
        let params: Vec<_> = method
            .params
            .iter()
            .map(|param| {
                let passing = match param.passing {
                    Passing::Value => "",
                    Passing::Move => "move ",
                    Passing::Lend => "lend ",
                    Passing::LendMut => "lend mut ",
                };
                format!("{}: {passing}{}", param.name.text, self.names.text(&param.ty))
            })
            .collect();
        let results: Vec<_> = method.results.types.iter().map(|ty| self.names.text(ty)).collect();
        let error = method.results.error.as_ref().map(|ty| format!("! {}", self.names.text(ty)));
        let given = match results.as_slice() {
            [] => String::new(),
            [one] => format!("{one} "),
            several => format!("({}) ", several.join(", ")),
        };
        let arrow = if given.is_empty() && error.is_none() { "" } else { " -> " };
        let given = format!("{arrow}{given}{}", error.unwrap_or_default());
        let _ =
            writeln!(self.text, "```lim\nfn {}({}){}\n```\n", method.name.text, params.join(", "), given.trim_end());
        let twice = if method.idempotent { "; may be done twice, and is where the server was restarted" } else { "" };
        if let ExprKind::Integer(number) = method.number.kind {
            let _ = writeln!(self.text, "Number {number}{twice}.\n");
        }
        self.comment(method.name.span);
    }

    fn errors(&mut self, declared: &Enum) {
        self.heading(&format!("# {}", declared.name.text));
        self.comment(declared.name.span);
        self.text.push_str("| error | number | |\n| --- | --- | --- |\n");
        let mut next = 0;
        for entry in &declared.entries {
            let EnumEntry::Variant(variant) = entry else { continue };
            next = variant.value.as_ref().and_then(literal).unwrap_or(next);
            let says = comment(self.file, variant.name.span).join(" ");
            let _ = writeln!(self.text, "| `{}` | {next} | {says} |", variant.name.text);
            next += 1;
        }
        let others: Vec<_> = declared.uses().map(|name| format!("`{}`", name.text)).collect();
        let _ = writeln!(self.text, "\nand those of {}.\n", others.join(", "));
    }

    fn heading(&mut self, heading: &str) {
        let _ = writeln!(self.text, "{heading}\n");
    }

    fn comment(&mut self, at: Span) {
        let lines = comment(self.file, at);
        if !lines.is_empty() {
            let _ = writeln!(self.text, "{}\n", lines.join("\n"));
        }
    }
}

fn literal(expr: &crate::ast::Expr) -> Option<i128> {
    match &expr.kind {
        ExprKind::Integer(number) => Some(i128::from(*number)),
        ExprKind::Unary(UnaryOperator::Negate, inner) => literal(inner).map(|number| -number),
        _ => None,
    }
}

/// What the comment on the line, or those on the lines right before it, say.
fn comment(file: Option<&SourceFile>, at: Span) -> Vec<String> {
    let text = file.map_or("", SourceFile::text);
    let start = text[..at.start as usize].rfind('\n').map_or(0, |newline| newline + 1);
    let mut lines: Vec<String> = text[..start]
        .lines()
        .rev()
        .map_while(|line| line.trim().strip_prefix("//"))
        .map(|it| it.trim().to_owned())
        .collect();
    lines.reverse();
    let line = text[start..].lines().next().unwrap_or_default();
    lines.extend(line.split_once("//").map(|(_, comment)| comment.trim().to_owned()));
    lines
}
