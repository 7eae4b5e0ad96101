//! The code blocks of a page, and what their fences say is to be done with them.

use anyhow::{Context as _, bail};

/// The way in which a block is tested.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Use {
    Run,
    Serve,
    Background,
    Stream,
    Network,
    Ci,
    File(String),
    /// Is the text of this file of ours, an example that is built and streams.
    Same(String),
    Look,
}

#[derive(Debug)]
pub(super) struct Block {
    /// Of the fence, from 1.
    pub(super) line: usize,
    pub(super) usage: Use,
    /// A program without which it cannot be run.
    pub(super) needs: Option<String>,
    pub(super) text: String,
}

/// All blocks, in order. A fence that does not say what its block is for is an error.
pub(super) fn read(page: &str) -> anyhow::Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let (info, needs) = match info.trim().split_once(",needs=") {
            Some((info, needs)) => (info, Some(needs.to_owned())),
            None => (info.trim(), None),
        };
        let usage = usage(info).with_context(|| format!("line {}: ```{info}", at + 1))?;
        let inside = lines.by_ref().map(|(_, line)| line);
        let mut text = String::new();
        for line in inside.take_while(|line| line.trim() != "```") {
            text += line.get(indent..).unwrap_or_default();
            text.push('\n');
        }
        blocks.push(Block { line: at + 1, usage, needs, text });
    }
    Ok(blocks)
}

fn usage(info: &str) -> anyhow::Result<Use> {
    let (language, rest) = info.split_once(',').unwrap_or((info, ""));
    Ok(match (language, rest) {
        ("text" | "json", "") => Use::Look,
        ("sh", "run") => Use::Run,
        ("sh", "serve") => Use::Serve,
        ("sh", "background") => Use::Background,
        ("sh", "stream") => Use::Stream,
        ("sh", "network") => Use::Network,
        ("sh", "ci") => Use::Ci,
        (_, rest) => match rest.split_once('=') {
            Some(("file", name)) => Use::File(name.to_owned()),
            Some(("same", path)) => Use::Same(path.to_owned()),
            _ => bail!(
                "the fence does not say what the block is for; see xtask/src/commands/docs.rs"
            ),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_says_what_its_block_is_for() {
        let page =
            "a\n```sh,run\nx\n\ny\n```\n1. b\n   ```yaml,file=c.yaml\n   d:\n     e\n   ```\n";
        let blocks = read(page).expect("fences");
        let found: Vec<_> =
            blocks.iter().map(|block| (block.line, &block.usage, block.text.as_str())).collect();
        let file = Use::File("c.yaml".to_owned());
        assert_eq!(found, [(2, &Use::Run, "x\n\ny\n"), (8, &file, "d:\n  e\n")]);
        let go = read("```sh,stream,needs=go\nx\n```\n").expect("a fence");
        assert_eq!((&go[0].usage, go[0].needs.as_deref()), (&Use::Stream, Some("go")));
        assert!(read("```\nx\n```\n").is_err());
        assert!(read("```python\nx\n```\n").is_err());
    }
}
