//! From tokens to a tree, by precedence. Depth is counted, so no text overflows the stack.

use crate::error::{CompileError, CompileErrorKind as Kind};
use crate::lexer::{Token, TokenKind};
use crate::limits::PROGRAM_DEPTH_MAX;
use crate::nearest::clip;
use crate::reads::ReadSet;
use crate::scope::Scope;
use crate::syntax::{Node, NodeKind, Operator};

mod call;
mod path;
mod primary;
mod reference;

type Parsed<T> = Result<T, CompileError>;

/// The tree of the tokens, and what it reads.
pub(crate) fn parse(text: &str, tokens: &[Token], scope: &Scope<'_>) -> Parsed<(Node, ReadSet)> {
    let mut parser = Parser { text, tokens, at: 0, depth: 0, scope, reads: ReadSet::default(), locals: Vec::new() };
    if parser.token().kind == TokenKind::End {
        return Err(parser.expected("an expression"));
    }
    let root = parser.expression()?;
    if parser.token().kind != TokenKind::End {
        return Err(parser.expected("an operator or the end"));
    }
    if parser.reads.secrets.is_empty() || is_secret(&root) {
        return Ok((root, parser.reads));
    }
    Err(CompileError::new(Kind::SecretInExpression, root.start as usize)
        .hint("write it alone, `${{ secrets.NAME }}`, as a value or between other text"))
}

/// Whether the program is nothing but a secret.
pub(crate) fn is_secret(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Reference(crate::syntax::Reference::Secret(_)))
}

struct Parser<'p> {
    text: &'p str,
    tokens: &'p [Token],
    at: usize,
    depth: u32,
    scope: &'p Scope<'p>,
    reads: ReadSet,
    /// Variables of the macros around here, outermost first.
    locals: Vec<&'p str>,
}

impl<'p> Parser<'p> {
    fn token(&self) -> &'p Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> &'p Token {
        let token = self.token();
        self.at += 1;
        token
    }

    fn written(&self, token: &Token) -> &'p str {
        &self.text[token.start..token.end]
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self.token().kind, TokenKind::Symbol(found) if found == symbol)
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &'static str, expected: &'static str) -> Parsed<usize> {
        let end = self.token().end;
        if self.eat(symbol) { Ok(end) } else { Err(self.expected(expected)) }
    }

    fn expected(&self, expected: &'static str) -> CompileError {
        let token = self.token();
        let found = match token.kind {
            TokenKind::End => "the end".to_owned(),
            _ => format!("`{}`", clip(self.written(token))),
        };
        let error = CompileError::new(Kind::Expected { expected, found }, token.start);
        match self.written(token) {
            "and" => error.hint("write `&&` for and"),
            "or" => error.hint("write `||` for or"),
            "not" => error.hint("write `!` for not"),
            "if" | "else" => error.hint("write `condition ? yes : no`"),
            "|" => error.hint("there are no filters; call a function, like `x.lower()`"),
            _ => error,
        }
    }

    fn node(&self, kind: NodeKind, start: usize) -> Node {
        let end = self.tokens[self.at.clamp(1, self.tokens.len()) - 1].end;
        Node { kind, start: start as u32, end: end as u32 }
    }

    /// `a ? b : c`, or anything that binds more tightly. Every nesting goes through here.
    fn expression(&mut self) -> Parsed<Node> {
        if self.depth == PROGRAM_DEPTH_MAX {
            return Err(CompileError::new(Kind::TooDeep { limit: PROGRAM_DEPTH_MAX }, self.token().start));
        }
        self.depth += 1;
        let start = self.token().start;
        let condition = self.logic(true)?;
        let node = if self.eat("?") {
            let yes = self.expression()?;
            self.expect(":", "`:` and the other branch")?;
            let no = self.expression()?;
            self.node(NodeKind::Choice(Box::new([condition, yes, no])), start)
        } else {
            condition
        };
        self.depth -= 1;
        Ok(node)
    }

    /// `a || b`, made of `a && b`, made of comparisons.
    fn logic(&mut self, any: bool) -> Parsed<Node> {
        let start = self.token().start;
        let first = if any { self.logic(false)? } else { self.chain(0)? };
        let symbol = if any { "||" } else { "&&" };
        if !self.is(symbol) {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.eat(symbol) {
            operands.push(if any { self.logic(false)? } else { self.chain(0)? });
        }
        Ok(self.node(NodeKind::Logic { any, operands }, start))
    }

    /// Operators of one rank, from left to right.
    fn chain(&mut self, rank: u8) -> Parsed<Node> {
        let start = self.token().start;
        let first = if rank == 2 { self.unary()? } else { self.chain(rank + 1)? };
        let mut rest = Vec::new();
        while let Some(operator) = self.operator(rank) {
            let at = self.next().start as u32;
            rest.push((operator, at, if rank == 2 { self.unary()? } else { self.chain(rank + 1)? }));
        }
        Ok(if rest.is_empty() { first } else { self.node(NodeKind::Chain(Box::new(first), rest), start) })
    }

    fn operator(&self, rank: u8) -> Option<Operator> {
        let token = self.token();
        let symbol = match token.kind {
            TokenKind::Symbol(symbol) => symbol,
            TokenKind::Name => self.written(token),
            _ => return None,
        };
        Operator::read(symbol).filter(|(_, of)| *of == rank).map(|(operator, _)| operator)
    }

    /// `!a`, `-a`, `!!a`.
    fn unary(&mut self) -> Parsed<Node> {
        let start = self.token().start;
        let mut count = 0;
        while self.eat("!") {
            count += 1;
        }
        if count > 0 {
            let operand = Box::new(self.path()?);
            return Ok(self.node(NodeKind::Not(count, operand), start));
        }
        while self.eat("-") {
            count += 1;
        }
        if count == 0 {
            return self.path();
        }
        // The smallest integer has no positive counterpart, so a sign before a number belongs to it.
        let number = match self.token().kind {
            TokenKind::Int(number) => 0i64.checked_sub_unsigned(number).map(NodeKind::Int),
            TokenKind::Double(number) => Some(NodeKind::Double(-number)),
            _ => None,
        };
        let operand = match number {
            Some(kind) => {
                let start = self.next().start;
                let base = self.node(kind, start);
                count -= 1;
                self.steps(base)?
            }
            None => self.path()?,
        };
        Ok(if count == 0 { operand } else { self.node(NodeKind::Negative(count, Box::new(operand)), start) })
    }
}
