//! Flags of a verb that has subcommands too, which do without them.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

/// The flags, none where a subcommand was given.
#[derive(Debug)]
pub struct Unless<T>(pub Option<T>);

impl<T: FromArgMatches> FromArgMatches for Unless<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        match matches.subcommand_name() {
            Some(_) => Ok(Self(None)),
            None => T::from_arg_matches(matches).map(|flags| Self(Some(flags))),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<T: Args> Args for Unless<T> {
    fn augment_args(command: Command) -> Command {
        T::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}
