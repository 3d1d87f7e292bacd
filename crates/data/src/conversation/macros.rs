//! Macros that take more than they name, Jinja2's `varargs` and `kwargs`, and macros whose arguments have defaults.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Tuple, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::blocks::MISSING;

/// The filter that a macro goes through where it says `varargs` or `kwargs`, or has defaults. Its name is none that a template has.
pub(super) const VARIADIC: &str = "__variadic";

/// A macro whose last arguments are what no other is given, `varargs` and `kwargs` as far as it says them, and, where it has
/// defaults, the names of those that it is not given. An argument that is given as undefined is given.
#[derive(Debug)]
struct Variadic {
    inner: Value,
    /// Its other arguments.
    names: Vec<String>,
    varargs: bool,
    kwargs: bool,
    defaults: bool,
}

/// The macro `inner`, whose last arguments are these.
pub(super) fn variadic(inner: &Value, varargs: bool, kwargs: bool, defaults: bool) -> Result<Value, Error> {
    let mut names = Vec::new();
    for name in inner.get_attr("arguments")?.try_iter()? {
        names.push(name.to_string());
    }
    let more = usize::from(varargs) + usize::from(kwargs) + usize::from(defaults);
    names.truncate(names.len().saturating_sub(more));
    Ok(Value::from_object(Variadic { inner: inner.clone(), names, varargs, kwargs, defaults }))
}

impl Variadic {
    fn name(&self) -> String {
        self.inner.get_attr("name").map(|name| name.to_string()).unwrap_or_default()
    }
}

impl Object for Variadic {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "arguments" => Some(Tuple::from(self.names.iter().map(Value::from).collect::<Vec<_>>()).into()),
            "catch_varargs" => Some(self.varargs.into()),
            "catch_kwargs" => Some(self.kwargs.into()),
            other => self.inner.get_attr(other).ok().filter(|v| !v.is_undefined()),
        }
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (given, named): (&[Value], Kwargs) = from_args(args)?;
        let (own, more) = given.split_at(given.len().min(self.names.len()));
        if !self.varargs && !more.is_empty() {
            let most = self.names.len();
            return Err(Error::new(
                ErrorKind::TooManyArguments,
                format!("the macro `{}` takes at most {most}", self.name()),
            ));
        }
        let caller = self.inner.get_attr("caller")?.is_true();
        let (mut passed, mut rest) = (Vec::new(), Vec::new());
        for name in named.args() {
            let value: Value = named.get(name)?;
            let mine = self.names.iter().skip(own.len()).any(|n| n == name) || (caller && name == "caller");
            let list = if mine { &mut passed } else { &mut rest };
            list.push((name.to_owned(), value));
        }
        if let (false, Some((name, _))) = (self.kwargs, rest.first()) {
            let what = format!("the macro `{}` takes no keyword argument `{name}`", self.name());
            return Err(Error::new(ErrorKind::TooManyArguments, what));
        }
        if self.defaults {
            let own = self.names.iter().skip(own.len());
            let missing = own.filter(|n| !passed.iter().any(|(name, _)| name == *n));
            let missing: Value = missing.map(|n| Value::from(n.as_str())).collect();
            passed.push((MISSING.into(), missing));
        }
        if self.varargs {
            passed.push(("varargs".into(), Tuple::from(more).into()));
        }
        if self.kwargs {
            passed.push(("kwargs".into(), Value::from_pairs(rest)));
        }
        let mut all = own.to_vec();
        all.push(passed.into_iter().collect::<Kwargs>().into());
        self.inner.call(state, &all)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inner)
    }
}
