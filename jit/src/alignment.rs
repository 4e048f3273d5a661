//! Where in a line of the processor's cache code begins.
//!
//! Processors fetch instructions, and keep what they have decoded of them, by lines. A loop that lies in one line more than it must
//! is slower for that: a short one by up to a quarter. Code is compiled as if it began with a line; so it is moved on to where its
//! innermost loops lie best.

use std::ops::Range;

use crate::location::Location;

/// Bytes of a line.
const LINE: u32 = 64;

/// Code may have constants behind it that are aligned to as many bytes.
const STEP: u32 = 16;

/// A longer loop has other bounds than where its instructions lie.
const LONG: u32 = 16 * LINE;

/// How many bytes behind the beginning of a line code should begin, whose innermost loops are these.
pub(crate) fn lead(loops: &[Range<u32>]) -> u32 {
    let cost = |lead: &u32| loops.iter().map(|it| excess(it.start + lead..it.end + lead)).sum::<u32>();
    (0..LINE).step_by(STEP as usize).min_by_key(cost).unwrap_or(0)
}

/// How many lines a loop lies in beyond those that it must, in shares of these.
fn excess(bytes: Range<u32>) -> u32 {
    let least = bytes.len() as u32;
    if least == 0 || least > LONG {
        return 0;
    }
    let lines = bytes.end.div_ceil(LINE) - bytes.start / LINE;
    (lines - least.div_ceil(LINE)) * LONG / least.div_ceil(LINE)
}

/// The bytes of loops, each of which has these words of the function, in code of which is known where bytes come from; all in order.
pub(crate) fn bytes_of(loops: &[Range<u32>], code: &[(Range<u32>, Location)]) -> Vec<Range<u32>> {
    let mut pieces = vec![Vec::new(); loops.len()];
    // What is aside comes last.
    let is_straight = |(_, location): &&(Range<u32>, Location)| !matches!(location, Location::Aside(_));
    for piece in code.iter().take_while(is_straight) {
        let Some(word) = piece.1.word() else { continue };
        let index = loops.partition_point(|words| words.end <= word);
        if loops.get(index).is_some_and(|words| words.contains(&word)) {
            pieces[index].push(piece);
        }
    }
    pieces.iter().filter_map(|pieces| from_first_to_last(pieces)).collect()
}

/// The bytes of a loop that consists of these pieces.
fn from_first_to_last(pieces: &[&(Range<u32>, Location)]) -> Option<Range<u32>> {
    // What Cranelift does once and for all lies before the first turn. Of that, the branch that ends it may come first.
    let is_turn = |(_, location): &&&(Range<u32>, Location)| matches!(location, Location::Turn(_));
    let branch = pieces.iter().find(is_turn).and_then(|(_, location)| location.word());
    let first = pieces.iter().find(|(_, location)| branch.is_none() || location.word() == branch)?;
    Some(first.0.start..pieces.last()?.0.end)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::slice;

    use super::{bytes_of, lead};
    use crate::location::Location::{self, Around, Aside, At, Nowhere, Switch, Turn};

    fn lead_of_one(bytes: Range<u32>) -> u32 {
        lead(slice::from_ref(&bytes))
    }

    fn bytes_of_one(words: Range<u32>, code: &[(Range<u32>, Location)]) -> Option<Range<u32>> {
        bytes_of(slice::from_ref(&words), code).pop()
    }

    #[test]
    fn a_loop_that_fits_into_a_line_lies_in_one() {
        assert_eq!(lead_of_one(10..40), 0);
        assert_eq!(lead_of_one(50..80), 16);
        assert_eq!(lead_of_one(30..80), 48);
    }

    #[test]
    fn a_loop_that_takes_two_lines_lies_in_no_third() {
        assert_eq!(lead_of_one(60..140), 16);
        assert_eq!(lead_of_one(0..128), 0);
    }

    #[test]
    fn the_shorter_of_two_loops_counts_more() {
        // There is no place at which both lie best.
        assert_eq!(lead(&[50..80, 0..256]), 16);
    }

    #[test]
    fn where_there_is_no_loop_code_begins_with_a_line() {
        assert_eq!(lead(&[]), 0);
        assert_eq!(lead_of_one(7..7), 0);
    }

    #[test]
    fn a_loop_ends_before_what_is_aside() {
        let straight = [(0..8, Around), (8..20, At(5)), (20..24, Switch(6)), (24..30, At(9)), (30..33, Nowhere)];
        let code = [&straight[..], &[(33..50, Aside(5)), (50..54, At(6))]].concat();
        assert_eq!(bytes_of_one(5..8, &code), Some(8..24));
        assert_eq!(bytes_of_one(2..4, &code), None);
    }

    #[test]
    fn a_loop_begins_where_its_turns_do() {
        let code =
            [(0..8, Around), (8..20, At(5)), (20..22, At(7)), (22..24, Turn(7)), (24..30, At(5)), (30..33, At(7))];
        assert_eq!(bytes_of_one(5..8, &code), Some(20..33));
    }
}
