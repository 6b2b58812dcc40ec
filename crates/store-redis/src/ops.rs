//! The writes of one commit, gathered so that Redis gets few commands with many words each: a word costs it far less than
//! a command.

use redis::Cmd;

/// Words of one command: Lua's stack takes 8,000.
const WORDS_MAX: usize = 4_000;

/// Words, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Words {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Words {
    pub(crate) fn push(&mut self, word: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(word.as_ref());
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn push_number(&mut self, number: i64) {
        self.push(number.to_string());
    }

    /// Writes a word in place.
    pub(crate) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn get(&self, index: usize) -> &[u8] {
        let from = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[from..self.ends[index]]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// Commands for [`crate::script::Script::commit`].
#[derive(Debug, Default)]
pub(crate) struct Ops {
    /// Keys that must not exist.
    pub(crate) absent: Words,
    words: Words,
}

impl Ops {
    /// One command.
    pub(crate) fn one(&mut self, words: &[&[u8]]) {
        self.words.push_number(words.len() as i64);
        words.iter().for_each(|word| self.words.push(word));
    }

    /// A command with many words, in as many pieces as it takes; each piece begins with `head` and has whole groups of
    /// `group` words.
    pub(crate) fn many(&mut self, head: &[&[u8]], words: &Words, group: usize) {
        let step = WORDS_MAX / group * group;
        for from in (0..words.len()).step_by(step) {
            let to = words.len().min(from + step);
            self.words.push_number((head.len() + to - from) as i64);
            head.iter().for_each(|word| self.words.push(word));
            (from..to).for_each(|index| self.words.push(words.get(index)));
        }
    }

    /// All commands of another list behind these.
    pub(crate) fn append(&mut self, other: Ops) {
        let from = self.words.bytes.len();
        self.words.bytes.extend_from_slice(&other.words.bytes);
        self.words.ends.extend(other.words.ends.iter().map(|end| end + from));
    }

    /// Bytes that go to Redis, nearly.
    pub(crate) fn bytes(&self) -> usize {
        self.words.bytes() + self.absent.bytes()
    }

    /// Hands everything to a command, as the script reads it.
    pub(crate) fn write(&self, command: &mut Cmd) {
        command.arg(self.absent.len());
        self.absent.iter().chain(self.words.iter()).for_each(|word| {
            command.arg(word);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_cut_between_groups() {
        let (mut ops, mut words) = (Ops::default(), Words::default());
        (0..9_000).for_each(|number| words.push_number(number));
        ops.many(&[b"HSET", b"key"], &words, 3);
        let mut command = redis::cmd("EVALSHA");
        ops.write(&mut command);
        let packed = String::from_utf8(command.get_packed_command()).expect("it is text");
        assert_eq!(packed.matches("HSET").count(), 3);
        assert_eq!(packed.matches("\r\n4001\r\n").count(), 2 + 1, "two full pieces, and the word 4001");
    }
}
