//! Directions that came as files.

use super::training::{COURSE_NOT_SHOWN, axis, course_figure};
use super::{heat, reach};
use crate::geometry::DirectionGeometry;
use truenorth_report::{Axis, Block, Curve, CurvePoint, Figure, Mark, NoteKind, Plot, Section, Series};

/// The section of directions that came as files.
#[must_use]
pub fn of_directions(result: &DirectionGeometry) -> Section {
    let names: Vec<String> = result.courses.iter().map(|c| c.category.clone()).collect();
    let lead = format!(
        "{} directions of {} numbers each, at {} checkpoints.",
        names.len() * result.checkpoints.len(),
        result.width,
        result.checkpoints.len()
    );
    let mut section = Section::new("geometry", "Geometry of directions", lead);
    if let Some(across) = result.across.last().filter(|a| a.len() > 1) {
        let at = result.checkpoints.last().map_or("", String::as_str);
        section = section.with(heat(
            "geometry-across",
            format!("Cosines of the categories at {at}"),
            &names,
            across,
            format!("Random directions of this width lie within ±{:.2} in 95 % of cases.", reach(across)),
        ));
    }
    if result.checkpoints.len() > 1 {
        for (i, c) in result.courses.iter().enumerate() {
            let id = format!("geometry-course-{i}");
            section = section.with(course_figure(&id, &result.checkpoints, &c.category, &c.course));
        }
        let series = result
            .courses
            .iter()
            .map(|c| {
                let points = c.course.steps.iter().enumerate();
                let points = points.map(|(k, s)| CurvePoint::new((k + 1) as f64, s.degrees)).collect();
                Series::new(c.category.as_str(), points)
            })
            .collect();
        let plot = Curve {
            x: axis(&result.checkpoints),
            y: Axis::new("turn from the checkpoint before").unit("degrees"),
            series,
            x_marks: vec![],
            y_marks: vec![Mark::at(90.0, "at right angles, as random directions are")],
        };
        section = section.with(Figure::new(
            "geometry-turns",
            "How far the directions turn",
            Plot::Curve(plot),
            "No intervals: directions came without their texts.",
            COURSE_NOT_SHOWN,
        ));
    }
    section.with(Block::note(NoteKind::Limit, result.not_shown.join(" ")))
}
