//! What number, character and string literals mean.

use std::ops::Range;

/// Why a literal has no value; the range is the bad part of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadLiteral {
    pub(crate) at: Range<usize>,
    pub(crate) reason: String,
}

fn bad<T>(at: Range<usize>, reason: impl Into<String>) -> Result<T, BadLiteral> {
    Err(BadLiteral { at, reason: reason.into() })
}

/// The value of `42`, `0x2a`, `0o52` or `0b10_1010`.
pub(crate) fn integer(text: &str) -> Result<u64, BadLiteral> {
    let (radix, digits) = match text.get(..2) {
        Some("0x" | "0X") => (16, &text[2..]),
        Some("0o" | "0O") => (8, &text[2..]),
        Some("0b" | "0B") => (2, &text[2..]),
        _ => (10, text),
    };
    let plain: String = digits.chars().filter(|digit| *digit != '_').collect();
    if let Some(digit) = plain.chars().find(|digit| !digit.is_digit(radix)) {
        return bad(0..text.len(), format!("`{digit}` is no digit of a number to base {radix}"));
    }
    if plain.is_empty() {
        return bad(0..text.len(), "this number has no digits");
    }
    u64::from_str_radix(&plain, radix).or_else(|_| bad(0..text.len(), "this number does not fit 64 bits"))
}

/// A float literal, rounded once to each width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Float {
    /// As a binary64 number.
    pub double: f64,
    /// As a binary32 number; infinite if it is out of range.
    pub single: f32,
}

/// The value of `1.5` or `1e-3`.
pub(crate) fn float(text: &str) -> Result<Float, BadLiteral> {
    let plain: String = text.chars().filter(|digit| *digit != '_').collect();
    match (plain.parse::<f64>(), plain.parse::<f32>()) {
        (Ok(double), Ok(single)) if double.is_finite() => Ok(Float { double, single }),
        (Ok(_), _) => bad(0..text.len(), "this number is too large for a 64-bit float"),
        (Err(_), _) => bad(0..text.len(), "this is no number"),
    }
}

/// The code point of `'c'`.
pub(crate) fn character(text: &str) -> Result<u64, BadLiteral> {
    let mut reader = Reader { text, position: 1 };
    let value = match reader.next()? {
        Piece::Char(value) => u64::from(u32::from(value)),
        Piece::Byte(value) => u64::from(value),
    };
    if reader.position + 1 != text.len() {
        return bad(0..text.len(), "a character literal holds one character");
    }
    Ok(value)
}

/// The bytes of `"text"`.
pub(crate) fn string(text: &str) -> Result<Vec<u8>, BadLiteral> {
    let mut reader = Reader { text, position: 1 };
    let mut bytes = Vec::with_capacity(text.len());
    while reader.position + 1 < text.len() {
        match reader.next()? {
            Piece::Char(value) => bytes.extend(value.encode_utf8(&mut [0; 4]).as_bytes()),
            Piece::Byte(value) => bytes.push(value),
        }
    }
    Ok(bytes)
}

/// What one character or escape stands for.
enum Piece {
    Char(char),
    Byte(u8),
}

/// Reads a quoted text character by character.
struct Reader<'s> {
    text: &'s str,
    position: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Piece, BadLiteral> {
        let start = self.position;
        match self.take(start)? {
            '\\' => self.escape(start),
            plain => Ok(Piece::Char(plain)),
        }
    }

    fn take(&mut self, start: usize) -> Result<char, BadLiteral> {
        let Some(next) = self.text[self.position..].chars().next() else {
            return bad(start..self.position, "this escape is not complete");
        };
        self.position += next.len_utf8();
        Ok(next)
    }

    fn escape(&mut self, start: usize) -> Result<Piece, BadLiteral> {
        match self.take(start)? {
            'n' => Ok(Piece::Char('\n')),
            't' => Ok(Piece::Char('\t')),
            'r' => Ok(Piece::Char('\r')),
            '0' => Ok(Piece::Char('\0')),
            quoted @ ('\\' | '"' | '\'') => Ok(Piece::Char(quoted)),
            'x' => self.byte(start),
            'u' => self.code_point(start),
            _ => bad(start..self.position, "escapes are \\n \\t \\r \\0 \\\\ \\\" \\' \\xHH and \\u{...}"),
        }
    }

    fn byte(&mut self, start: usize) -> Result<Piece, BadLiteral> {
        let digits = [self.take(start)?, self.take(start)?].map(|digit| digit.to_digit(16));
        match digits {
            [Some(high), Some(low)] => Ok(Piece::Byte((high * 16 + low) as u8)),
            _ => bad(start..self.position, "\\x takes two hexadecimal digits"),
        }
    }

    fn code_point(&mut self, start: usize) -> Result<Piece, BadLiteral> {
        let rest = &self.text[self.position..];
        let digits = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(digits, _)| digits);
        let Some(digits) = digits.filter(|digits| (1..=6).contains(&digits.len())) else {
            return bad(start..self.position, "write a code point as \\u{...} with 1 to 6 hexadecimal digits");
        };
        self.position += digits.len() + 2;
        match u32::from_str_radix(digits, 16).ok().and_then(char::from_u32) {
            Some(value) => Ok(Piece::Char(value)),
            None => bad(start..self.position, "there is no such code point"),
        }
    }
}

/// `bytes` as a string literal, quotes included; [`string`] gives the bytes back.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_escaped(&mut text, c));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text.push('"');
    text
}

fn push_escaped(text: &mut String, c: char) {
    match c {
        '\n' => text.push_str("\\n"),
        '\t' => text.push_str("\\t"),
        '\r' => text.push_str("\\r"),
        '\0' => text.push_str("\\0"),
        '\\' | '"' => text.extend(['\\', c]),
        ' '..='~' => text.push(c),
        _ if c.is_alphanumeric() => text.push(c),
        _ => text.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_base() {
        assert_eq!(integer("1_000"), Ok(1000));
        assert_eq!(integer("0xff"), Ok(255));
        assert_eq!(integer("0o17"), Ok(15));
        assert_eq!(integer("0b1010"), Ok(10));
        assert_eq!(integer("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn bad_integers() {
        assert_eq!(integer("12ab").unwrap_err().reason, "`a` is no digit of a number to base 10");
        assert_eq!(integer("0x").unwrap_err().reason, "this number has no digits");
        assert_eq!(integer("18446744073709551616").unwrap_err().reason, "this number does not fit 64 bits");
    }

    #[test]
    fn floats_round_once() {
        // Rounding to 64 bits first would give 1.0 + 2^-23 here, since the tie is then exact.
        let tricky = "1.00000017881393432617187499";
        assert_eq!(float(tricky).unwrap().single, tricky.parse::<f32>().unwrap());
        assert!(float("1e999").is_err());
        assert!(float("1e300").unwrap().single.is_infinite());
    }

    #[test]
    fn characters_and_strings() {
        assert_eq!(character("'a'"), Ok(97));
        assert_eq!(character(r"'\n'"), Ok(10));
        assert_eq!(character("'é'"), Ok(0xe9));
        assert!(character(r"'\nn'").is_err());
        assert_eq!(string(r#""a\x00\xff\u{e9}\"""#), Ok(vec![b'a', 0, 255, 0xc3, 0xa9, b'"']));
        assert_eq!(string(r#""ab\q""#).unwrap_err().at, 3..5);
        assert!(string(r#""\u{110000}""#).is_err());
        assert!(string(r#""\x4""#).is_err());
    }

    #[test]
    fn quoting_keeps_every_byte() {
        let bytes: Vec<u8> = (0..=255).chain("é\u{200b}€".bytes()).collect();
        assert_eq!(string(&quote(&bytes)), Ok(bytes));
    }
}
