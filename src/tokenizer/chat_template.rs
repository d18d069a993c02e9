//! Conversations to prompts, by the model's own Jinja template.

use crate::{Error, Result};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, context};
use std::io;

/// PLM's template (ChatML), for files that carry none.
pub const DEFAULT_TEMPLATE: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}\
{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const NAME: &str = "chat_template";
/// A template comes with the model, from anywhere, so everything it may use is bounded. Real ones have a few kilobytes.
const LONGEST_TEMPLATE: usize = 256 << 10;
/// Bytes between the braces of one tag. Expressions nest no deeper than they are long, and the parser recurses.
const LONGEST_TAG: usize = 2 << 10;
/// Steps that a template may take, at all and for each message; real ones take some dozen a message.
const FUEL: u64 = 20_000;
const FUEL_A_MESSAGE: u64 = 2_000;
/// Bytes that a prompt may have. Contexts are far shorter.
const LONGEST_PROMPT: usize = 64 << 20;
/// Filters whose results can be of any length, whatever they are given.
const UNBOUNDED_FILTERS: [&str; 5] = ["format", "indent", "batch", "slice", "replace"];

/// A compiled chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    /// Compiles a template as Hugging Face's libraries do (blocks trimmed, `raise_exception` known).
    ///
    /// # Errors
    /// [`Error::Template`] with the line where it does not parse, or where it is too long to be one.
    pub fn new(source: &str) -> Result<Self> {
        check_size(source)?;
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        for filter in UNBOUNDED_FILTERS {
            environment.remove_filter(filter);
        }
        environment.add_function(
            "raise_exception",
            |message: String| -> std::result::Result<String, minijinja::Error> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| Error::Template(format!("it does not parse: {error}")))?;
        Ok(Self { environment })
    }

    /// The prompt for `messages` (each with `role` and `content`), with the opening of the assistant's reply if
    /// `add_generation_prompt`.
    ///
    /// # Errors
    /// [`Error::Template`] with what the template raised, or where it takes too many steps.
    pub fn render<S: serde::Serialize>(&mut self, messages: &[S], add_generation_prompt: bool) -> Result<String> {
        self.environment.set_fuel(Some(FUEL + FUEL_A_MESSAGE * messages.len() as u64));
        let mut prompt = Bounded(Vec::new());
        let template = self.environment.get_template(NAME).map_err(|error| Error::Template(error.to_string()))?;
        template
            .render_captured_to(context! { messages, add_generation_prompt }, &mut prompt)
            .map_err(|error| Error::Template(error.to_string()))?;
        String::from_utf8(prompt.0).map_err(|error| Error::Template(error.to_string()))
    }
}

fn check_size(source: &str) -> Result<()> {
    if source.len() > LONGEST_TEMPLATE {
        return Err(Error::Template(format!(
            "it does not parse: it has {} bytes; expected at most {LONGEST_TEMPLATE}",
            source.len()
        )));
    }
    match longest_tag(source) {
        0..=LONGEST_TAG => Ok(()),
        length => {
            Err(Error::Template(format!("it does not parse: a tag has {length} bytes; expected at most {LONGEST_TAG}")))
        }
    }
}

/// Bytes of the longest `{{ }}` or `{% %}`.
fn longest_tag(source: &str) -> usize {
    let mut longest = 0;
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        rest = &rest[at + 1..];
        let close = match rest.bytes().next() {
            Some(b'#') => {
                rest = rest.split_once("#}").map_or("", |(_, after)| after);
                continue;
            }
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            _ => continue,
        };
        let length = tag_length(&rest[1..], close);
        let tag = &rest[1..1 + length];
        longest = longest.max(length);
        rest = &rest[1 + length..];
        if close == "%}" && bare(tag) == "raw" {
            let mut blocks = rest.match_indices("{%");
            let end = blocks.find(|(at, _)| bare(&rest[at + 2..]).starts_with("endraw"));
            rest = end.map_or("", |(at, _)| &rest[at..]);
        }
    }
    longest
}

/// A tag without the marks that trim white space.
fn bare(tag: &str) -> &str {
    tag.trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '+'))
}

/// Bytes before `close`, which counts only outside strings and brackets.
fn tag_length(text: &str, close: &str) -> usize {
    let mut quote = None;
    let mut open = 0usize;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => drop(bytes.next()),
            (Some(mark), _) => quote = (mark != byte).then_some(mark),
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, _) if open == 0 && text.as_bytes()[at..].starts_with(close.as_bytes()) => return at,
            (None, b'(' | b'[' | b'{') => open += 1,
            (None, b')' | b']' | b'}') => open = open.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

/// A prompt that grows no longer than it may.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_PROMPT {
            return Err(io::Error::other(format!("the prompt is longer than {LONGEST_PROMPT} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Message;

    fn user(content: &str) -> Vec<Message> {
        vec![Message { role: "user".to_owned(), content: content.to_owned() }]
    }

    #[test]
    fn the_default_template_puts_the_system_message_first() {
        let text = ChatTemplate::new(DEFAULT_TEMPLATE).unwrap().render(&user("Hi"), true).unwrap();
        assert_eq!(
            text,
            "<|im_start|>system\nYou are a helpful assistant<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        );
    }

    #[test]
    fn a_template_that_fails_says_so() {
        assert!(matches!(ChatTemplate::new("{% for x in %}"), Err(Error::Template(_))));
        let raised =
            ChatTemplate::new("{{ raise_exception('roles must alternate') }}").unwrap().render(&user("Hi"), true);
        assert!(matches!(raised, Err(Error::Template(text)) if text.contains("roles must alternate")));
    }

    #[test]
    fn a_hostile_template_ends() {
        let hostile = "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}";
        assert!(matches!(ChatTemplate::new(hostile).unwrap().render(&user("Hi"), true), Err(Error::Template(_))));
    }

    #[test]
    fn a_template_cannot_take_the_stack_or_the_memory() {
        let tags = [
            format!("{{{{ {}x }}}}", "not ".repeat(20_000)),
            format!("{{{{ x{} }}}}", ".a".repeat(10_000)),
            format!("{{% set x = 1{} %}}", " + 1".repeat(10_000)),
            format!("{{% raw %}}{{{{ ' {{% endraw %}}{{{{ ' }}}} ' ~ {}x }}}}", "not ".repeat(20_000)),
            format!("{{{{ [{}] }}}}", "[],".repeat(10_000)),
        ];
        for template in tags {
            assert!(matches!(ChatTemplate::new(&template), Err(Error::Template(text)) if text.contains("a tag has")));
        }
        assert!(matches!(ChatTemplate::new(&"x".repeat(1 << 20)), Err(Error::Template(_))));
        for greedy in ["{{ '%2000000000d'|format(1) }}", "{{ messages[0].content|indent(2000000000) }}"] {
            assert!(matches!(ChatTemplate::new(greedy).unwrap().render(&user("Hi"), true), Err(Error::Template(_))));
        }
        let long = "{% for i in range(9000) %}{{ messages[0].content }}{% endfor %}";
        let rendered = ChatTemplate::new(long).unwrap().render(&user(&"x".repeat(100_000)), true);
        assert!(matches!(rendered, Err(Error::Template(_))));
    }

    #[test]
    fn tags_are_measured_as_the_template_engine_reads_them() {
        assert_eq!(longest_tag("a {{ '}}' }} b {% if x %}"), " '}}' ".len());
        assert_eq!(longest_tag("{{ {'a': {}} }}"), " {'a': {}} ".len());
        assert_eq!(longest_tag("{# {{ a long comment }} #}{{x}}"), 1);
        assert_eq!(longest_tag("{%- raw -%}{{ not a tag at all }}{% endraw %}"), " endraw ".len());
        assert!((50..100).contains(&longest_tag(DEFAULT_TEMPLATE)));
    }
}
