//! Expressions.

use limen_isa::ValueType;

use super::code::{Label, Reg};
use super::lower::{Lower, Part, Rv, value, width};
use super::types::{Int, Ty, Type};
use crate::ast::{Float, Infix, Prefix, Term, TermKind, TypeExpr, TypeKind};
use crate::constants;
use crate::diagnostic::Diagnostic;
use crate::globals::Symbol;
use crate::source::Span;

impl<'a> Lower<'_, '_, 'a> {
    /// The value of a term as one of a type.
    pub(crate) fn typed(&mut self, term: &'a Term, ty: Ty, dest: Option<&[Reg]>) -> Option<Rv> {
        let rv = self.term(term, Some(ty), dest)?;
        self.coerce(rv, ty, term.span)
    }

    /// The value of a term. `want` is the type that its context has; results are put into `dest` where that is free.
    pub(crate) fn term(&mut self, term: &'a Term, want: Option<Ty>, dest: Option<&[Reg]>) -> Option<Rv> {
        let first = dest.filter(|dest| dest.len() == 1).map(|dest| dest[0]);
        match &term.kind {
            TermKind::Bad => None,
            TermKind::Integer(number) => Some(Rv::one(Ty::ANY_INT, Part::Int(i128::from(*number)))),
            TermKind::Float(number) => Some(Rv::one(Ty::ANY_FLOAT, Part::Float(*number))),
            TermKind::Bool(truth) => Some(Rv::one(Ty::BOOL, Part::Int(i128::from(*truth)))),
            TermKind::Text(bytes) => {
                let address = self.c.string(bytes);
                let parts = vec![Part::Int(i128::from(address)), Part::Int(bytes.len() as i128)];
                Some(Rv { ty: Ty::BYTES, parts })
            }
            TermKind::Name(name) => self.named(name, term.span, dest),
            TermKind::SizeOf(ty) => self.size_of(ty),
            TermKind::Array(_) => {
                self.error(|| Diagnostic::new(term.span, "an array is only what a static begins with"))
            }
            TermKind::Field(of, name) => self.field(term, of, &name.text, dest),
            TermKind::Target(_) | TermKind::Index(..) => match self.find_place(term)? {
                Some(place) => self.load(&place, term.span, dest),
                None => self.error(|| Diagnostic::new(term.span, "this is no value")),
            },
            TermKind::Call(callee, arguments) => self.call_value(callee, arguments, term.span, want, dest),
            TermKind::Slice(of, from, to) => self.slice(of, from.as_deref(), to.as_deref(), term.span),
            TermKind::Prefix(Prefix::Try, call) => self.tried(call, want, dest),
            TermKind::Prefix(Prefix::AddressOf, of) => self.address_of(of, first),
            TermKind::Prefix(Prefix::Not, _) => self.truth(term, first),
            TermKind::Prefix(prefix, of) => self.prefixed(*prefix, of, want, first, term.span),
            TermKind::Infix(Infix::Both | Infix::Either, _) => self.truth(term, first),
            TermKind::Infix(infix, operands) if is_comparison(*infix) => {
                self.comparison(*infix, &operands.0, &operands.1, first)
            }
            TermKind::Infix(infix, operands) => self.infix(*infix, &operands.0, &operands.1, want, first, term.span),
            TermKind::Cast(of, ty) => self.cast(of, ty, first),
            TermKind::If(parts) => self.choice(&parts.0, &parts.1, &parts.2, want, dest),
        }
    }

    fn named(&mut self, name: &str, span: Span, dest: Option<&[Reg]>) -> Option<Rv> {
        if let Some(constant) = self.locals.get_mut(name).and_then(|local| {
            local.used |= local.constant.is_some();
            local.constant.clone().map(|parts| Rv { ty: local.ty, parts })
        }) {
            return Some(constant);
        }
        if name == "null" {
            return Some(Rv::one(Ty::NULL, Part::Null));
        }
        let place = Term { kind: TermKind::Name(name.into()), span, depth: 1 };
        if let Some(place) = self.local_or_static(&place) {
            return self.load(&place, span, dest);
        }
        let globals = self.c.program.globals;
        match globals.get(name, span.file) {
            Some((Symbol::Const(index), _)) => {
                let constant = globals.consts[index];
                let rv = self.constant_value(name, span)?;
                match &constant.ty {
                    Some(ty) => {
                        let ty = self.c.types.resolve(ty, &self.bindings, self.c.errors);
                        self.coerce(rv, ty, span)
                    }
                    None => Some(rv),
                }
            }
            Some((Symbol::Area(_), _)) => self.constant_value(name, span),
            Some((Symbol::Function(index), _)) => self.function_named(index, span),
            Some((symbol, declared)) => self.error(|| {
                Diagnostic::new(span, "a value belongs here")
                    .label(format!("this is {}", symbol.kind()))
                    .also(declared, "declared here")
            }),
            None if matches!(name, "inf" | "nan") => self.constant_value(name, span),
            None => {
                let names = self.locals.keys().copied();
                let help = crate::suggest::similar(name, names).or_else(|| globals.similar(name, |_| true));
                self.error(|| Diagnostic::new(span, format!("there is no `{name}`")).help(help))
            }
        }
    }

    fn local_or_static(&mut self, term: &Term) -> Option<super::memory::Place> {
        let TermKind::Name(name) = &term.kind else { return None };
        if let Some(local) = self.locals.get_mut(&**name) {
            local.used = true;
            let (ty, regs, mutable) = (local.ty, local.regs.clone(), local.mutable);
            return Some(super::memory::Place::Registers { ty, regs, mutable });
        }
        match self.c.program.globals.get(name, term.span.file) {
            Some((Symbol::Static(index), _)) => {
                let (ty, address) = self.c.statics[index];
                Some(super::memory::Place::Memory(super::memory::at(ty, Part::Int(i128::from(address)))))
            }
            _ => None,
        }
    }

    fn constant_value(&mut self, name: &str, span: Span) -> Option<Rv> {
        let expr = crate::ast::Expr { kind: crate::ast::ExprKind::Name(name.into()), span, depth: 1 };
        match self.c.program.constants.evaluate(&expr, self.c.errors)? {
            constants::Value::Integer(number) => Some(Rv::one(Ty::ANY_INT, Part::Int(number))),
            constants::Value::Float(number) => Some(Rv::one(Ty::ANY_FLOAT, Part::Float(number))),
            constants::Value::Bits(bits) => {
                let number = Float { double: f64::from_bits(bits), single: f32::from_bits(bits as u32) };
                Some(Rv::one(Ty::ANY_FLOAT, Part::Float(number)))
            }
        }
    }

    fn function_named(&mut self, index: usize, span: Span) -> Option<Rv> {
        let function = self.c.program.globals.functions[index].function;
        let shape = std::rc::Rc::clone(&self.c.entries[index].shape);
        if !function.generics.is_empty() || shape.error.is_some() {
            return self.error(|| Diagnostic::new(span, "a function that is generic or may fail is no value"));
        }
        let ty = self.c.types.add(Type::Function(shape.params.clone(), shape.results.clone()));
        let number = self.c.function_value(index as u32);
        Some(Rv::one(ty, Part::Int(i128::from(number))))
    }

    fn size_of(&mut self, expr: &'a TypeExpr) -> Option<Rv> {
        if let TypeKind::Name(name, _) = &expr.kind
            && let Some((Symbol::Area(area), _)) = self.c.program.globals.get(&name.text, name.span.file)
        {
            let size = self.c.program.constants.extent(area)?.size;
            return Some(Rv::one(Ty::ANY_INT, Part::Int(i128::from(size))));
        }
        let ty = self.c.types.resolve(expr, &self.bindings, self.c.errors);
        let size = self.c.types.size(ty, self.c.errors);
        (ty != Ty::BAD).then(|| Rv::one(Ty::ANY_INT, Part::Int(i128::from(size))))
    }

    fn field(&mut self, term: &'a Term, of: &'a Term, name: &str, dest: Option<&[Reg]>) -> Option<Rv> {
        if let TermKind::Name(owner) = &of.kind
            && !self.is_value(of)
        {
            return self.variant_or_method(owner, name, term.span);
        }
        if let Some(place) = self.find_place(term)? {
            return self.load(&place, term.span, dest);
        }
        // What is left is the length of an array.
        match self.find_place(of)? {
            Some(super::memory::Place::Memory(memory)) => match self.ty(memory.ty) {
                Type::Array(_, count) => Some(Rv::one(Ty::U32, Part::Int(i128::from(count)))),
                _ => self.error(|| Diagnostic::new(term.span, "this is no value")),
            },
            _ => self.error(|| Diagnostic::new(term.span, "this is no value")),
        }
    }

    /// `State.Open`, or a function whose name has a dot.
    fn variant_or_method(&mut self, owner: &str, name: &str, span: Span) -> Option<Rv> {
        let globals = self.c.program.globals;
        if let Some((Symbol::Enum(index), declared)) = globals.get(owner, span.file) {
            let variants = &self.c.types.variants(index, self.c.errors).values;
            if let Some((_, number)) = variants.iter().find(|(variant, _)| &**variant == name) {
                let number = *number;
                return Some(Rv::one(self.c.types.add(Type::Enum(index)), Part::Int(number)));
            }
            let help = crate::suggest::similar(name, variants.iter().map(|(name, _)| &**name));
            return self.error(|| {
                Diagnostic::new(span, format!("`{owner}` has no value `{name}`"))
                    .also(declared, "declared here")
                    .help(help)
            });
        }
        if let Some((Symbol::Function(index), _)) = globals.get(&format!("{owner}.{name}"), span.file) {
            return self.function_named(index, span);
        }
        self.error(|| Diagnostic::new(span, format!("there is no `{owner}.{name}`")))
    }

    // ---- Conversions that are not written ---------------------------------------------------------------------------

    /// The value as one of a type that holds all values of its own.
    pub(crate) fn coerce(&mut self, rv: Rv, ty: Ty, span: Span) -> Option<Rv> {
        if rv.ty == ty {
            return Some(rv);
        }
        if ty == Ty::BAD {
            return None;
        }
        let part = rv.parts.first().copied().unwrap_or(Part::Null);
        match (self.ty(rv.ty), self.ty(ty)) {
            (Type::AnyInt, Type::Int(int)) => {
                let Part::Int(number) = part else { return Some(Rv::one(ty, part)) };
                if number < int.min() || number > int.max() {
                    let name = self.c.types.name(ty);
                    return self.error(|| Diagnostic::new(span, format!("{number} does not fit {name}")));
                }
                Some(Rv::one(ty, part))
            }
            (Type::AnyInt, Type::F32 | Type::F64) => {
                let Part::Int(number) = part else { return None };
                let exact = number as f64 as i128 == number && (ty == Ty::F64 || number as f32 as i128 == number);
                if !exact {
                    return self.error(|| Diagnostic::new(span, "no float is exactly this integer"));
                }
                Some(Rv::one(ty, Part::Float(Float { double: number as f64, single: number as f32 })))
            }
            (Type::AnyFloat, Type::F32 | Type::F64) => Some(Rv::one(ty, part)),
            (Type::Null, Type::Address(_) | Type::Function(..) | Type::Ref(_)) => Some(Rv::one(ty, part)),
            (Type::Ref(Some(_)), Type::Ref(None)) => Some(Rv { ty, ..rv }),
            (Type::Enum(_), Type::Enum(_)) if self.takes_over(ty, rv.ty) => Some(Rv { ty, ..rv }),
            (Type::Int(from), Type::Int(to)) if to.holds(from) => Some(self.widen(part, from, to, ty)),
            (Type::F32, Type::F64) => {
                let from = self.reg(part, ValueType::F32);
                Some(Rv::one(ty, Part::Reg(self.op("f64.from_f32", ValueType::F64, None, &[i64::from(from)]))))
            }
            _ => self.mismatch(span, ty, rv.ty),
        }
    }

    /// Whether an enumeration has all values of another.
    pub(crate) fn takes_over(&self, ty: Ty, other: Ty) -> bool {
        match (self.c.types.get(ty), self.c.types.get(other)) {
            (Type::Enum(ty), Type::Enum(other)) => self.c.types.uses(*ty, *other),
            _ => false,
        }
    }

    fn widen(&mut self, part: Part, from: Int, to: Int, ty: Ty) -> Rv {
        if width(from) == width(to) || matches!(part, Part::Int(_)) {
            return Rv::one(ty, part);
        }
        let reg = self.reg(part, ValueType::I32);
        let mnemonic = if from.signed { "i64.from_i32_s" } else { "i64.from_i32_u" };
        Rv::one(ty, Part::Reg(self.op(mnemonic, ValueType::I64, None, &[i64::from(reg)])))
    }

    /// The type that a value has where nothing asks for one.
    pub(crate) fn settle(&mut self, rv: Rv, span: Span) -> Option<Rv> {
        match rv.ty {
            Ty::ANY_INT => {
                let fits = matches!(rv.parts[0], Part::Int(number) if i32::try_from(number).is_ok());
                self.coerce(rv, if fits { Ty::I32 } else { Ty::I64 }, span)
            }
            Ty::ANY_FLOAT => self.coerce(rv, Ty::F64, span),
            Ty::NULL => self.error(|| Diagnostic::new(span, "the type of this `null` is not known")),
            _ => Some(rv),
        }
    }

    /// The type with which values of a type are computed: narrow integers are widened.
    pub(crate) fn promoted(&self, ty: Ty) -> Ty {
        match self.c.types.int(ty) {
            Some(int) if int.bits < 32 && int.signed => Ty::I32,
            Some(int) if int.bits < 32 => Ty::U32,
            _ => ty,
        }
    }

    /// Both values as ones of the type that both widen to.
    fn unify(&mut self, a: Rv, a_span: Span, b: Rv, b_span: Span, want: Option<Ty>) -> Option<(Ty, Rv, Rv)> {
        let (mut x, mut y) = (self.promoted(a.ty), self.promoted(b.ty));
        let open = |ty| matches!(ty, Ty::ANY_INT | Ty::ANY_FLOAT | Ty::NULL);
        if open(x) && open(y) {
            if x == y && (matches!(a.parts[0], Part::Int(_)) && matches!(b.parts[0], Part::Int(_))) {
                return Some((x, a, b));
            }
            let wanted = want.filter(|ty| matches!(self.ty(*ty), Type::Int(_) | Type::F32 | Type::F64));
            let ty = wanted.unwrap_or(if x == Ty::ANY_INT && y == Ty::ANY_INT { Ty::I32 } else { Ty::F64 });
            (x, y) = (ty, ty);
        }
        let ty = if open(x) {
            y
        } else if open(y) || x == y {
            x
        } else {
            match (self.ty(x), self.ty(y)) {
                (Type::Int(p), Type::Int(q)) if p.holds(q) => x,
                (Type::Int(p), Type::Int(q)) if q.holds(p) => y,
                (Type::F32, Type::F64) => y,
                (Type::F64, Type::F32) => x,
                (Type::Ref(_), Type::Ref(_)) => Ty::REF,
                _ if a.ty == Ty::BAD || b.ty == Ty::BAD => return None,
                _ => {
                    let (a, b) = (self.c.types.name(a.ty), self.c.types.name(b.ty));
                    return self.error(|| {
                        Diagnostic::new(a_span.to(b_span), format!("{a} and {b} do not mix"))
                            .help(["cast one of them: `x as T` keeps the low bits, `T(x)` checks that it fits"])
                    });
                }
            }
        };
        Some((ty, self.coerce(a, ty, a_span)?, self.coerce(b, ty, b_span)?))
    }

    // ---- Arithmetic -------------------------------------------------------------------------------------------------

    fn infix(
        &mut self,
        infix: Infix,
        a: &'a Term,
        b: &'a Term,
        want: Option<Ty>,
        dest: Option<Reg>,
        span: Span,
    ) -> Option<Rv> {
        let shift = matches!(infix, Infix::ShiftLeft | Infix::ShiftRight);
        let (x, y) = (self.term(a, want, None), self.term(b, want.filter(|_| !shift), None));
        let (x, y) = (x?, y?);
        self.operate(infix, (x, a.span), (y, b.span), want, dest, span)
    }

    pub(crate) fn operate(
        &mut self,
        infix: Infix,
        (x, x_span): (Rv, Span),
        (y, y_span): (Rv, Span),
        want: Option<Ty>,
        dest: Option<Reg>,
        span: Span,
    ) -> Option<Rv> {
        if matches!(infix, Infix::ShiftLeft | Infix::ShiftRight) {
            return self.shift(infix, (x, x_span), (y, y_span), want, dest, span);
        }
        let (ty, x, y) = self.unify(x, x_span, y, y_span, want)?;
        match self.ty(ty) {
            Type::AnyInt => self.fold(infix, &x, &y, span),
            Type::Int(int) => self.integers(infix, int, ty, (x.parts[0], y.parts[0]), dest, span),
            Type::Bool if matches!(infix, Infix::And | Infix::Or | Infix::Xor) => {
                let (x, y) = (self.reg(x.parts[0], ValueType::I32), self.reg(y.parts[0], ValueType::I32));
                let mnemonic = format!("i32.{}", bitwise(infix));
                Some(Rv::one(ty, Part::Reg(self.op(&mnemonic, ValueType::I32, dest, &[i64::from(x), i64::from(y)]))))
            }
            Type::F32 | Type::F64 | Type::AnyFloat => self.floats(infix, ty, x.parts[0], y.parts[0], dest, span),
            _ => {
                let name = self.c.types.name(ty);
                self.error(|| Diagnostic::new(span, format!("there is no arithmetic of {name}")))
            }
        }
    }

    /// The value of two numbers of the source.
    fn fold(&mut self, infix: Infix, x: &Rv, y: &Rv, span: Span) -> Option<Rv> {
        let (Part::Int(a), Part::Int(b)) = (x.parts[0], y.parts[0]) else { return None };
        let number = match infix {
            Infix::Add | Infix::AddWrapping => a.checked_add(b),
            Infix::Subtract | Infix::SubtractWrapping => a.checked_sub(b),
            Infix::Multiply | Infix::MultiplyWrapping => a.checked_mul(b),
            Infix::Divide => a.checked_div(b),
            Infix::Remainder => a.checked_rem(b),
            Infix::And => Some(a & b),
            Infix::Or => Some(a | b),
            _ => Some(a ^ b),
        };
        match number {
            Some(number) => Some(Rv::one(Ty::ANY_INT, Part::Int(number))),
            None => self.error(|| Diagnostic::new(span, "this has no value")),
        }
    }

    fn shift(
        &mut self,
        infix: Infix,
        (x, x_span): (Rv, Span),
        (y, y_span): (Rv, Span),
        want: Option<Ty>,
        dest: Option<Reg>,
        span: Span,
    ) -> Option<Rv> {
        let left = infix == Infix::ShiftLeft;
        if let (Ty::ANY_INT, Ty::ANY_INT, Part::Int(a), Part::Int(count @ 0..=64)) =
            (x.ty, y.ty, x.parts[0], y.parts[0])
        {
            let number = if left { a.checked_mul(1 << count) } else { Some(a >> count) };
            return number.map(|number| Rv::one(Ty::ANY_INT, Part::Int(number)));
        }
        let ty = match self.c.types.int(x.ty) {
            Some(int) if int.bits < 32 => {
                if int.signed {
                    Ty::I32
                } else {
                    Ty::U32
                }
            }
            Some(_) => x.ty,
            None if x.ty == Ty::ANY_INT => want.filter(|ty| self.c.types.int(*ty).is_some()).unwrap_or(Ty::I32),
            None => return self.mismatch(x_span, Ty::I32, x.ty),
        };
        let x = self.coerce(x, ty, x_span)?;
        let int = self.c.types.int(ty)?;
        let family = width(int);
        let name = match (left, int.signed) {
            (true, _) => "shl",
            (false, true) => "shr_s",
            (false, false) => "shr_u",
        };
        let a = self.reg(x.parts[0], family);
        if let (Ty::ANY_INT, Part::Int(count)) = (y.ty, y.parts[0]) {
            if !(0..i128::from(int.bits)).contains(&count) {
                return self.error(|| Diagnostic::new(y_span, format!("a shift by {count} of {} bits", int.bits)));
            }
            let name = name.replace("shr_s", "shr_si").replace("shr_u", "shr_ui").replace("shl", "shli");
            let reg = self.op(&format!("{family}.{name}"), family, dest, &[i64::from(a), count as i64]);
            return Some(Rv::one(ty, Part::Reg(reg)));
        }
        let count = self.settle(y, y_span)?;
        let Some(count_int) = self.c.types.int(count.ty) else { return self.mismatch(span, ty, count.ty) };
        let mut b = self.reg(count.parts[0], width(count_int));
        if width(count_int) != family {
            let mnemonic = if family == ValueType::I64 { "i64.from_i32_u" } else { "i32.from_i64" };
            b = self.op(mnemonic, family, None, &[i64::from(b)]);
        }
        let reg = self.op(&format!("{family}.{name}"), family, dest, &[i64::from(a), i64::from(b)]);
        Some(Rv::one(ty, Part::Reg(reg)))
    }

    fn integers(
        &mut self,
        infix: Infix,
        int: Int,
        ty: Ty,
        (a, b): (Part, Part),
        dest: Option<Reg>,
        span: Span,
    ) -> Option<Rv> {
        let family = width(int);
        let sign = if int.signed { "s" } else { "u" };
        if let (Part::Int(_), Part::Int(_)) = (a, b) {
            let rv = self.fold(infix, &Rv::one(Ty::ANY_INT, a), &Rv::one(Ty::ANY_INT, b), span)?;
            if !matches!(infix, Infix::AddWrapping | Infix::SubtractWrapping | Infix::MultiplyWrapping) {
                return self.coerce(rv, ty, span);
            }
        }
        let (a, b) = match (a, b) {
            // Constants are right operands, where instructions take them.
            (Part::Int(_), Part::Reg(_)) if is_symmetric(infix) => (b, a),
            pair => pair,
        };
        let immediate = |k: i128| {
            let k = if int.bits == 64 { k as i64 } else { i64::from(k as i32) };
            (-(1 << 23)..1 << 23).contains(&k).then_some(k)
        };
        let short = match (infix, b) {
            (
                Infix::Add | Infix::Subtract | Infix::AddWrapping | Infix::SubtractWrapping | Infix::Or | Infix::Xor,
                Part::Int(0),
            )
            | (Infix::Multiply | Infix::MultiplyWrapping | Infix::Divide, Part::Int(1)) => return Some(Rv::one(ty, a)),
            (Infix::AddWrapping, Part::Int(k)) => immediate(k).map(|k| ("addi".to_owned(), k)),
            (Infix::SubtractWrapping, Part::Int(k)) => immediate(-k).map(|k| ("addi".to_owned(), k)),
            (Infix::MultiplyWrapping, Part::Int(k)) => immediate(k).map(|k| ("muli".to_owned(), k)),
            (Infix::And | Infix::Or | Infix::Xor, Part::Int(k)) => {
                immediate(k).map(|k| (format!("{}i", bitwise(infix)), k))
            }
            (Infix::Divide, Part::Int(k)) if !int.signed && k > 0 && (k as u64).is_power_of_two() => {
                Some(("shr_ui".to_owned(), i64::from((k as u64).trailing_zeros())))
            }
            (Infix::Remainder, Part::Int(k)) if !int.signed && k > 0 && (k as u64).is_power_of_two() => {
                immediate(k - 1).map(|k| ("andi".to_owned(), k))
            }
            (Infix::Divide, Part::Int(k)) if k > 0 => immediate(k).map(|k| (format!("div_{sign}i"), k)),
            (Infix::Remainder, Part::Int(k)) if k > 0 => immediate(k).map(|k| (format!("rem_{sign}i"), k)),
            _ => None,
        };
        let a = self.reg(a, family);
        let reg = match short {
            Some((name, k)) => self.op(&format!("{family}.{name}"), family, dest, &[i64::from(a), k]),
            None => {
                let b = self.reg(b, family);
                let name = match infix {
                    Infix::Add => format!("add_chk_{sign}"),
                    Infix::Subtract => format!("sub_chk_{sign}"),
                    Infix::Multiply => format!("mul_chk_{sign}"),
                    Infix::AddWrapping => "add".into(),
                    Infix::SubtractWrapping => "sub".into(),
                    Infix::MultiplyWrapping => "mul".into(),
                    Infix::Divide => format!("div_{sign}"),
                    Infix::Remainder => format!("rem_{sign}"),
                    _ => bitwise(infix).into(),
                };
                self.op(&format!("{family}.{name}"), family, dest, &[i64::from(a), i64::from(b)])
            }
        };
        Some(Rv::one(ty, Part::Reg(reg)))
    }

    fn floats(&mut self, infix: Infix, ty: Ty, a: Part, b: Part, dest: Option<Reg>, span: Span) -> Option<Rv> {
        let family = if ty == Ty::F32 { ValueType::F32 } else { ValueType::F64 };
        let name = match infix {
            Infix::Add => "add",
            Infix::Subtract => "sub",
            Infix::Multiply => "mul",
            Infix::Divide => "div",
            _ => return self.error(|| Diagnostic::new(span, "floats have only `+`, `-`, `*` and `/`")),
        };
        let (a, b) = (self.reg(a, family), self.reg(b, family));
        let ty = if ty == Ty::ANY_FLOAT { Ty::F64 } else { ty };
        Some(Rv::one(ty, Part::Reg(self.op(&format!("{family}.{name}"), family, dest, &[i64::from(a), i64::from(b)]))))
    }

    fn prefixed(
        &mut self,
        prefix: Prefix,
        of: &'a Term,
        want: Option<Ty>,
        dest: Option<Reg>,
        span: Span,
    ) -> Option<Rv> {
        let rv = self.term(of, want, None)?;
        let negates = prefix == Prefix::Negate;
        match (rv.ty, rv.parts[0]) {
            (Ty::ANY_INT, Part::Int(number)) => {
                return Some(Rv::one(Ty::ANY_INT, Part::Int(if negates { -number } else { !number })));
            }
            (Ty::ANY_FLOAT, Part::Float(number)) if negates => {
                let number = Float { double: -number.double, single: -number.single };
                return Some(Rv::one(rv.ty, Part::Float(number)));
            }
            _ => {}
        }
        let ty = match self.c.types.int(rv.ty) {
            Some(int) if int.bits < 32 => {
                if int.signed {
                    Ty::I32
                } else {
                    Ty::U32
                }
            }
            _ => rv.ty,
        };
        let rv = self.coerce(rv, ty, of.span)?;
        match (self.ty(ty), negates) {
            (Type::Int(int), true) if int.signed => {
                let family = width(int);
                let (zero, a) = (self.reg(Part::Int(0), family), self.reg(rv.parts[0], family));
                let operands = [i64::from(zero), i64::from(a)];
                Some(Rv::one(ty, Part::Reg(self.op(&format!("{family}.sub_chk_s"), family, dest, &operands))))
            }
            (Type::Int(int), false) => {
                let family = width(int);
                let a = self.reg(rv.parts[0], family);
                Some(Rv::one(ty, Part::Reg(self.op(&format!("{family}.not"), family, dest, &[i64::from(a)]))))
            }
            (Type::F32 | Type::F64, true) => {
                let family = if ty == Ty::F32 { ValueType::F32 } else { ValueType::F64 };
                let a = self.reg(rv.parts[0], family);
                Some(Rv::one(ty, Part::Reg(self.op(&format!("{family}.neg"), family, dest, &[i64::from(a)]))))
            }
            _ => {
                let name = self.c.types.name(ty);
                let sign = if negates { '-' } else { '~' };
                self.error(|| Diagnostic::new(span, format!("there is no `{sign}` of {name}")))
            }
        }
    }

    // ---- Conditions -------------------------------------------------------------------------------------------------

    fn comparison(&mut self, infix: Infix, a: &'a Term, b: &'a Term, dest: Option<Reg>) -> Option<Rv> {
        let (x, y) = (self.term(a, None, None), self.term(b, None, None));
        let (ty, x, y) = self.unify(x?, a.span, y?, b.span, None)?;
        self.check_comparable(infix, ty, a.span.to(b.span))?;
        if let (Part::Int(x), Part::Int(y)) = (x.parts[0], y.parts[0]) {
            return Some(Rv::one(Ty::BOOL, Part::Int(i128::from(holds(infix, x, y)))));
        }
        let (family, signed) = self.compared(ty);
        let (name, a, b, inverted) = match infix {
            Infix::Equal => ("eq", &x, &y, false),
            Infix::NotEqual if family == ValueType::Ref => ("eq", &x, &y, true),
            Infix::NotEqual => ("ne", &x, &y, false),
            Infix::Less => ("lt", &x, &y, false),
            Infix::LessEqual => ("le", &x, &y, false),
            Infix::Greater => ("lt", &y, &x, false),
            _ => ("le", &y, &x, false),
        };
        let suffix = if matches!(name, "eq" | "ne") { "" } else { sign(family, signed) };
        let (p, q) = (self.reg(a.parts[0], family), self.reg(b.parts[0], family));
        let mut reg = self.op(&format!("{family}.{name}{suffix}"), ValueType::I32, dest, &[i64::from(p), i64::from(q)]);
        if inverted {
            reg = self.op("i32.xori", ValueType::I32, dest, &[i64::from(reg), 1]);
        }
        Some(Rv::one(Ty::BOOL, Part::Reg(reg)))
    }

    fn check_comparable(&mut self, infix: Infix, ty: Ty, span: Span) -> Option<()> {
        let equality = matches!(infix, Infix::Equal | Infix::NotEqual);
        match self.ty(ty) {
            Type::Int(_) | Type::F32 | Type::F64 | Type::AnyInt | Type::AnyFloat => Some(()),
            Type::Bool | Type::Address(_) | Type::Function(..) | Type::Ref(_) | Type::Enum(_) if equality => Some(()),
            Type::Bad => None,
            _ => {
                let name = self.c.types.name(ty);
                let what = if equality { "compared" } else { "ordered" };
                self.error(|| Diagnostic::new(span, format!("{name} cannot be {what}")))
            }
        }
    }

    /// The family of a comparison, and whether it reads signs.
    fn compared(&mut self, ty: Ty) -> (ValueType, bool) {
        match self.ty(ty) {
            Type::Int(int) => (width(int), int.signed),
            Type::F32 => (ValueType::F32, false),
            Type::F64 | Type::AnyFloat => (ValueType::F64, false),
            Type::Ref(_) => (ValueType::Ref, false),
            Type::Enum(_) | Type::AnyInt => (ValueType::I32, true),
            _ => (ValueType::I32, false),
        }
    }

    /// A condition as a value.
    fn truth(&mut self, term: &'a Term, dest: Option<Reg>) -> Option<Rv> {
        if let TermKind::Prefix(Prefix::Not, of) = &term.kind {
            let rv = self.typed(of, Ty::BOOL, None)?;
            if let Part::Int(truth) = rv.parts[0] {
                return Some(Rv::one(Ty::BOOL, Part::Int(1 - truth)));
            }
            let of = self.reg(rv.parts[0], ValueType::I32);
            return Some(Rv::one(Ty::BOOL, Part::Reg(self.op("i32.xori", ValueType::I32, dest, &[i64::from(of), 1]))));
        }
        let (no, end) = (self.label(), self.label());
        let result = dest.unwrap_or_else(|| self.fresh(ValueType::I32));
        self.branch(term, no, false)?;
        self.mov(result, Part::Int(1));
        self.jump(end);
        self.place(no);
        self.mov(result, Part::Int(0));
        self.place(end);
        Some(Rv::one(Ty::BOOL, Part::Reg(result)))
    }

    /// Goes to `to` if the condition is `when`, else on.
    pub(crate) fn branch(&mut self, term: &'a Term, to: Label, when: bool) -> Option<()> {
        match &term.kind {
            TermKind::Prefix(Prefix::Not, of) => self.branch(of, to, !when),
            TermKind::Infix(infix @ (Infix::Both | Infix::Either), operands) => {
                if (*infix == Infix::Either) == when {
                    let (a, b) = (self.branch(&operands.0, to, when), self.branch(&operands.1, to, when));
                    return a.and(b);
                }
                let on = self.label();
                let a = self.branch(&operands.0, on, !when);
                let b = self.branch(&operands.1, to, when);
                self.place(on);
                a.and(b)
            }
            TermKind::Infix(infix, operands) if is_comparison(*infix) => {
                self.branch_comparison(*infix, &operands.0, &operands.1, to, when)
            }
            _ => {
                let rv = self.typed(term, Ty::BOOL, None)?;
                match rv.parts[0] {
                    Part::Int(truth) => {
                        if (truth != 0) == when {
                            self.emit("jump", vec![value(to)]);
                        }
                    }
                    part => {
                        let reg = self.reg(part, ValueType::I32);
                        let mnemonic = if when { "i32.br_nei" } else { "i32.br_eqi" };
                        self.emit(mnemonic, vec![value(reg), value(0), value(to)]);
                    }
                }
                Some(())
            }
        }
    }

    fn branch_comparison(&mut self, infix: Infix, a: &'a Term, b: &'a Term, to: Label, when: bool) -> Option<()> {
        let (x, y) = (self.term(a, None, None), self.term(b, None, None));
        let (ty, x, y) = self.unify(x?, a.span, y?, b.span, None)?;
        self.check_comparable(infix, ty, a.span.to(b.span))?;
        let (family, signed) = self.compared(ty);
        let (p, q) = (x.parts[0], y.parts[0]);
        if let (Part::Int(x), Part::Int(y)) = (p, q) {
            if holds(infix, x, y) == when {
                self.emit("jump", vec![value(to)]);
            }
            return Some(());
        }
        let wanted = if when { infix } else { opposite(infix) };
        if family == ValueType::Ref {
            return self.branch_ref(p, q, to, wanted == Infix::Equal);
        }
        if matches!(family, ValueType::F32 | ValueType::F64) {
            self.branch_floats(family, infix, p, q, to, when);
            return Some(());
        }
        self.branch_integers(family, signed, wanted, p, q, to);
        if !when && family == ValueType::I32 {
            self.learn(infix, p, q);
        }
        Some(())
    }

    /// Notes what a comparison that holds says about an index.
    fn learn(&mut self, infix: Infix, p: Part, q: Part) {
        use super::lower::Bound;
        let fact = match (infix, p, q) {
            (Infix::Less, Part::Reg(i), Part::Reg(n)) | (Infix::Greater, Part::Reg(n), Part::Reg(i)) => {
                (i, Bound::Reg(n))
            }
            (Infix::Less, Part::Reg(i), Part::Int(n)) => (i, Bound::Int(n)),
            _ => return,
        };
        self.facts.push(fact);
    }

    fn branch_ref(&mut self, p: Part, q: Part, to: Label, when: bool) -> Option<()> {
        let reg = match (p, q) {
            (Part::Null, other) | (other, Part::Null) => {
                let reg = self.reg(other, ValueType::Ref);
                let mnemonic = if when { "ref.br_null" } else { "ref.br_nonnull" };
                self.emit(mnemonic, vec![value(reg), value(to)]);
                return Some(());
            }
            _ => {
                let (p, q) = (self.reg(p, ValueType::Ref), self.reg(q, ValueType::Ref));
                self.op("ref.eq", ValueType::I32, None, &[i64::from(p), i64::from(q)])
            }
        };
        self.emit(if when { "i32.br_nei" } else { "i32.br_eqi" }, vec![value(reg), value(0), value(to)]);
        Some(())
    }

    fn branch_floats(&mut self, family: ValueType, infix: Infix, p: Part, q: Part, to: Label, when: bool) {
        let (p, q) = (self.reg(p, family), self.reg(q, family));
        let (name, a, b) = match (infix, when) {
            (Infix::Equal, true) | (Infix::NotEqual, false) => ("br_eq", p, q),
            (Infix::Equal, false) | (Infix::NotEqual, true) => ("br_ne", p, q),
            (Infix::Less, true) => ("br_lt", p, q),
            (Infix::Less, false) => ("br_nlt", p, q),
            (Infix::LessEqual, true) => ("br_le", p, q),
            (Infix::LessEqual, false) => ("br_nle", p, q),
            (Infix::Greater, true) => ("br_lt", q, p),
            (Infix::Greater, false) => ("br_nlt", q, p),
            (_, true) => ("br_le", q, p),
            (_, false) => ("br_nle", q, p),
        };
        self.emit(&format!("{family}.{name}"), vec![value(a), value(b), value(to)]);
    }

    pub(crate) fn branch_integers(
        &mut self,
        family: ValueType,
        signed: bool,
        infix: Infix,
        p: Part,
        q: Part,
        to: Label,
    ) {
        let (infix, p, q) = match (p, q) {
            (Part::Int(_), Part::Reg(_)) => (mirrored(infix), q, p),
            _ => (infix, p, q),
        };
        let equality = matches!(infix, Infix::Equal | Infix::NotEqual);
        let immediate = match q {
            Part::Null => Some(0),
            Part::Int(k) => {
                let k = if family == ValueType::I64 { k as i64 } else { i64::from(k as i32) };
                let range = if signed || equality { -(1 << 11)..1 << 11 } else { 0..1 << 12 };
                range.contains(&k).then_some(k)
            }
            _ => None,
        };
        let p_reg = self.reg(p, family);
        if let Some(k) = immediate {
            let name = match infix {
                Infix::Equal => "br_eq",
                Infix::NotEqual => "br_ne",
                Infix::Less => "br_lt",
                Infix::LessEqual => "br_le",
                Infix::Greater => "br_gt",
                _ => "br_ge",
            };
            let suffix = if equality { "" } else { sign(family, signed) };
            let suffix = if equality { "i".to_owned() } else { format!("{suffix}i") };
            self.emit(&format!("{family}.{name}{suffix}"), vec![value(p_reg), value(k), value(to)]);
            return;
        }
        let q_reg = self.reg(q, family);
        let (name, a, b) = match infix {
            Infix::Equal => ("br_eq", p_reg, q_reg),
            Infix::NotEqual => ("br_ne", p_reg, q_reg),
            Infix::Less => ("br_lt", p_reg, q_reg),
            Infix::LessEqual => ("br_le", p_reg, q_reg),
            Infix::Greater => ("br_lt", q_reg, p_reg),
            _ => ("br_le", q_reg, p_reg),
        };
        let suffix = if equality { "" } else { sign(family, signed) };
        self.emit(&format!("{family}.{name}{suffix}"), vec![value(a), value(b), value(to)]);
    }

    fn choice(&mut self, c: &'a Term, a: &'a Term, b: &'a Term, want: Option<Ty>, dest: Option<&[Reg]>) -> Option<Rv> {
        let (no, end) = (self.label(), self.label());
        let condition = self.branch(c, no, false);
        let first = self.term(a, want, None)?;
        let first = match want {
            Some(ty) => self.coerce(first, ty, a.span)?,
            None => self.settle(first, a.span)?,
        };
        let types = self.registers(first.ty, a.span)?;
        let results = match dest {
            Some(dest) if dest.len() == types.len() && types.len() == 1 => dest.to_vec(),
            _ => self.fresh_all(&types),
        };
        self.move_all(&results, &first.parts);
        self.jump(end);
        self.place(no);
        let second = self.typed(b, first.ty, None)?;
        self.move_all(&results, &second.parts);
        self.place(end);
        condition?;
        Some(Rv { ty: first.ty, parts: results.into_iter().map(Part::Reg).collect() })
    }

    /// Moves parts into registers that none of them is in, or that are theirs.
    pub(crate) fn move_all(&mut self, to: &[Reg], parts: &[Part]) {
        to.iter().zip(parts).for_each(|(to, part)| self.mov(*to, *part));
    }
}

pub(crate) fn is_comparison(infix: Infix) -> bool {
    matches!(
        infix,
        Infix::Equal | Infix::NotEqual | Infix::Less | Infix::LessEqual | Infix::Greater | Infix::GreaterEqual
    )
}

fn holds(infix: Infix, x: i128, y: i128) -> bool {
    match infix {
        Infix::Equal => x == y,
        Infix::NotEqual => x != y,
        Infix::Less => x < y,
        Infix::LessEqual => x <= y,
        Infix::Greater => x > y,
        _ => x >= y,
    }
}

fn opposite(infix: Infix) -> Infix {
    match infix {
        Infix::Equal => Infix::NotEqual,
        Infix::NotEqual => Infix::Equal,
        Infix::Less => Infix::GreaterEqual,
        Infix::LessEqual => Infix::Greater,
        Infix::Greater => Infix::LessEqual,
        _ => Infix::Less,
    }
}

/// The comparison with its operands the other way round.
fn mirrored(infix: Infix) -> Infix {
    match infix {
        Infix::Less => Infix::Greater,
        Infix::LessEqual => Infix::GreaterEqual,
        Infix::Greater => Infix::Less,
        Infix::GreaterEqual => Infix::LessEqual,
        other => other,
    }
}

fn is_symmetric(infix: Infix) -> bool {
    use Infix::{Add, AddWrapping, And, Multiply, MultiplyWrapping, Or, Xor};
    matches!(infix, Add | AddWrapping | Multiply | MultiplyWrapping | And | Or | Xor)
}

fn bitwise(infix: Infix) -> &'static str {
    match infix {
        Infix::And => "and",
        Infix::Or => "or",
        _ => "xor",
    }
}

/// How mnemonics say that an integer is read with or without its sign.
fn sign(family: ValueType, signed: bool) -> &'static str {
    match (family, signed) {
        (ValueType::F32 | ValueType::F64, _) => "",
        (_, true) => "_s",
        (_, false) => "_u",
    }
}
