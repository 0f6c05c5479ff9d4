//! What is made of the command line's own description: the man page and completions.

use super::cli::command;
use clap_complete::Shell;

/// The name under which the program is installed.
const NAME: &str = "sclients";

/// The completion script for `shell`.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), NAME, &mut script);
    script
}

/// The man page, in roff.
pub fn man_page() -> Vec<u8> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command()).render(&mut page).expect("a vector takes all bytes");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_man_page_and_the_completions_know_the_options() {
        let page = String::from_utf8(man_page()).unwrap();
        assert!(page.contains(".TH sclients 1") && page.contains("\\-\\-connect\\-rate"));
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(completions(shell)).unwrap();
            assert!(script.contains("connect-rate"), "{shell}");
            assert!(!script.contains("__child"), "{shell}");
        }
    }
}
