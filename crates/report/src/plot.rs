//! What a figure plots: the data alone, each kind in one struct.
use super::finding::FindingStatus;
use super::number::Num;
use serde::{Deserialize, Serialize};

/// A plot with its data, by kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Plot {
    /// Lines with bands over a number: layers, doses, checkpoints.
    Curve(Curve),
    /// A matrix in colour: cosines, cross-checkpoint AUROC.
    HeatMap(HeatMap),
    /// Estimates with intervals and nulls, a row each: an audit.
    Forest(Forest),
    /// Single values by group: scores by kind of sequence.
    Strip(Strip),
    /// A ranking with scores: the board.
    Board(Board),
    /// A distribution, with its null and observed values.
    Histogram(Histogram),
    /// Two numbers a point: two models.
    Scatter(Scatter),
    /// Ranks that change between columns.
    Slope(Slope),
}

macro_rules! plot_from {
    ($($kind:ident),*) => {$(
        impl From<$kind> for Plot {
            fn from(plot: $kind) -> Self {
                Self::$kind(plot)
            }
        }
    )*};
}
plot_from!(Curve, HeatMap, Forest, Strip, Board, Histogram, Scatter, Slope);

/// What one axis of a plot measures, and over which range.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What it measures, without the unit.
    pub label: String,
    /// The unit, printed behind the label; none for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Its ends; taken from the data where not given, and widened where data lie outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[Num; 2]>,
    /// Named ticks, for values that stand for names such as checkpoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticks: Vec<Tick>,
}

impl Axis {
    /// An axis without a unit.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// Adds the unit.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// Sets both ends.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some([Num::new(low), Num::new(high)]);
        self
    }
}

/// A named place on an axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// The value at which it stands.
    pub at: Num,
    /// What the axis, the legend or the row calls it.
    pub label: String,
}

/// A value, or a range of values, to point at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The value, or the lower end of the range.
    pub at: Num,
    /// The upper end, for a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Num>,
    /// The words beside it.
    pub label: String,
}

impl Mark {
    /// A single value.
    #[must_use]
    pub fn at(at: impl Into<Num>, label: impl Into<String>) -> Self {
        Self { at: at.into(), to: None, label: label.into() }
    }

    /// A range from one value to another.
    #[must_use]
    pub fn span(from: impl Into<Num>, to: impl Into<Num>, label: impl Into<String>) -> Self {
        Self { at: from.into(), to: Some(to.into()), label: label.into() }
    }
}

/// Lines with bands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines, in the order of the legend.
    pub series: Vec<Series>,
    /// Values of x to point at: the layer chosen, a phase jump, the working range.
    #[serde(default)]
    pub x_marks: Vec<Mark>,
    /// Values of y to point at: chance, the unsteered model.
    #[serde(default)]
    pub y_marks: Vec<Mark>,
}

/// One line of a curve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// Whether it is a control or null, drawn in grey.
    #[serde(default)]
    pub control: bool,
    /// Its points in order of x; a missing y leaves a gap.
    pub points: Vec<CurvePoint>,
}

impl Series {
    /// A line from points.
    #[must_use]
    pub fn new(name: impl Into<String>, points: Vec<CurvePoint>) -> Self {
        Self { name: name.into(), control: false, points }
    }

    /// A control or null, drawn in grey.
    #[must_use]
    pub fn control(name: impl Into<String>, points: Vec<CurvePoint>) -> Self {
        Self { name: name.into(), control: true, points }
    }
}

/// A point of a line, with its band.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Its place on the horizontal axis.
    pub x: Num,
    /// Its height; missing where the line has a gap.
    pub y: Num,
    /// Lower and upper bound of y.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<[Num; 2]>,
}

impl CurvePoint {
    /// A point without a band.
    #[must_use]
    pub fn new(x: impl Into<Num>, y: impl Into<Num>) -> Self {
        Self { x: x.into(), y: y.into(), band: None }
    }

    /// Adds the band.
    #[must_use]
    pub fn band(mut self, low: impl Into<Num>, high: impl Into<Num>) -> Self {
        self.band = Some([low.into(), high.into()]);
        self
    }
}

/// A matrix in colour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Name of the value, such as `cosine`.
    pub value: String,
    /// The value without colour: 0 for a cosine, 0.5 for an AUROC.
    pub centre: Num,
    /// Distance from the centre at which the colour is full; missing means the largest in the data.
    pub span: Num,
    /// Decimals of the numbers in the cells.
    pub digits: usize,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// The rows from top to bottom.
    pub rows: Vec<HeatRow>,
}

impl HeatMap {
    /// A matrix of cosines: no colour at 0, full colour at ±1.
    #[must_use]
    pub fn cosine(columns: Vec<String>, rows: Vec<HeatRow>) -> Self {
        Self {
            value: "cosine".to_owned(),
            centre: Num::new(0.0),
            span: Num::new(1.0),
            digits: 2,
            columns,
            rows,
        }
    }
}

/// A row of a matrix.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeatRow {
    /// The head of the row.
    pub label: String,
    /// A value a column.
    pub cells: Vec<Num>,
}

impl HeatRow {
    /// A row with its head and a value a column.
    #[must_use]
    pub fn new(label: impl Into<String>, cells: Vec<Num>) -> Self {
        Self { label: label.into(), cells }
    }
}

/// Estimates with intervals and nulls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    /// The axis of the estimates.
    pub x: Axis,
    /// The value of no effect, drawn as a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Mark>,
    /// Decimals to print.
    pub digits: usize,
    /// The rows, top first; rows of one group stand together under its name.
    pub rows: Vec<ForestRow>,
}

/// A row of a forest plot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ForestRow {
    /// What the estimate is of.
    pub label: String,
    /// Group the row stands under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The estimate, or why there is none.
    pub estimate: Num,
    /// Lower and upper bound.
    pub interval: [Num; 2],
    /// Central range of the null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null: Option<[Num; 2]>,
    /// Observations behind the estimate.
    pub n: u64,
    /// What the row is held to show; none for no mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<FindingStatus>,
}

/// Single values by group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Strip {
    /// The axis of the values.
    pub x: Axis,
    /// Value or range to compare with, such as the null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Mark>,
    /// The groups, top first. Each shows its median.
    pub groups: Vec<StripGroup>,
}

/// A group of values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StripGroup {
    /// What the axis, the legend or the row calls it.
    pub label: String,
    /// The values of the group, each with its name.
    pub points: Vec<LabelledValue>,
}

/// A value with a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelledValue {
    /// What the axis, the legend or the row calls it.
    pub label: String,
    /// The value, or why there is none.
    pub value: Num,
}

/// A ranking. Of long boards the two ends are drawn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Board {
    /// The axis of the scores.
    pub x: Axis,
    /// Decimals of the score.
    pub digits: usize,
    /// The rows, the first rank first.
    pub rows: Vec<BoardRow>,
}

/// A row of the board.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BoardRow {
    /// Its rank, 1 first; ties share their mean rank.
    pub rank: Num,
    /// The sequence that is ranked.
    pub label: String,
    /// Kind of sequence, coloured.
    #[serde(default)]
    pub group: String,
    /// The score, or why there is none.
    pub score: Num,
    /// Interval of the score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[Num; 2]>,
    /// The specificity z of the score, or why there is none.
    pub z: Num,
}

/// How values are distributed, beside draws of a null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// The axis of the values.
    pub x: Axis,
    /// Name of `values`.
    #[serde(default)]
    pub name: String,
    /// The values; may be empty where only marks are set against a null.
    #[serde(default)]
    pub values: Vec<Num>,
    /// Name of `null`.
    #[serde(default)]
    pub null_name: String,
    /// Draws from the null.
    #[serde(default)]
    pub null: Vec<Num>,
    /// Values to point at, such as the one observed.
    #[serde(default)]
    pub marks: Vec<Mark>,
}

/// Two numbers a point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scatter {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Whether both axes share one scale and the line of equality is drawn.
    #[serde(default)]
    pub diagonal: bool,
    /// The points, in any order.
    pub points: Vec<ScatterPoint>,
}

/// A point of a scatter plot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScatterPoint {
    /// What the axis, the legend or the row calls it.
    pub label: String,
    /// Whether the name is written beside it where there is room.
    #[serde(default)]
    pub named: bool,
    /// The group it is coloured by; empty for none.
    #[serde(default)]
    pub group: String,
    /// Its place on the horizontal axis.
    pub x: Num,
    /// Its place on the vertical axis.
    pub y: Num,
}

/// Ranks that change between columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slope {
    /// The columns, two or more: models, layers, checkpoints.
    pub columns: Vec<String>,
    /// The items, each with a rank a column.
    pub rows: Vec<SlopeRow>,
    /// Change of rank from the first to the last column from which on an item counts as a mover.
    pub mover: Num,
}

/// An item's ranks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlopeRow {
    /// What the axis, the legend or the row calls it.
    pub label: String,
    /// Group, coloured; where no row has one, movers are coloured by direction.
    #[serde(default)]
    pub group: String,
    /// A rank a column, 1 first.
    pub ranks: Vec<Num>,
}
