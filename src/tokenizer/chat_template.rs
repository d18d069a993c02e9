//! Conversations to prompts, by the model's own Jinja template.

use crate::{Error, Result};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, context};

/// PLM's template (ChatML), for files that carry none.
pub const DEFAULT_TEMPLATE: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}\
{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const NAME: &str = "chat_template";
/// Steps that a template may take: hundreds of times what a real one needs, and still done in a blink.
const FUEL: u64 = 5_000_000;

/// A compiled chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    /// Compiles a template as Hugging Face's libraries do (blocks trimmed, `raise_exception` known).
    ///
    /// # Errors
    /// [`Error::Template`] with the line where it does not parse.
    pub fn new(source: &str) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(FUEL));
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
    pub fn render<S: serde::Serialize>(&self, messages: &[S], add_generation_prompt: bool) -> Result<String> {
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(context! { messages, add_generation_prompt }))
            .map_err(|error| Error::Template(error.to_string()))
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
}
