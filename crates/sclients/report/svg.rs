//! Lines over a common axis, as a picture that needs nothing else: no scripts, no fonts of its own,
//! colours that can be read on a light and on a dark ground.

use crate::number::grouped;
use std::fmt::Write;

const WIDTH: f64 = 900.0;
const PANEL: f64 = 320.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 50.0;
/// Ticks of an axis, about.
const TICKS: f64 = 5.0;
const COLOURS: [&str; 4] = ["#2a78d6", "#e07b20", "#2f9e63", "#b0479b"];

/// A line and its name.
#[derive(Clone, Debug)]
pub struct Line {
    /// In the legend.
    pub name: &'static str,
    /// x and y, in the order in which they are joined.
    pub points: Vec<(f64, f64)>,
    /// Those of them whose y is a lower bound: they bear a `≥`.
    pub bounds: Vec<(f64, f64)>,
}

/// Lines that share both axes.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What y is.
    pub title: &'static str,
    /// Whether y grows by powers of ten.
    pub logarithmic: bool,
    /// At most as many as there are colours.
    pub lines: Vec<Line>,
}

/// Panels over one axis.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What x is.
    pub x_title: &'static str,
    /// One below the other.
    pub panels: Vec<Panel>,
}

/// Values on a stretch of the picture.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Axis {
    /// From 0, or from the power of ten below the least, to a round number above the most.
    fn over(values: impl Iterator<Item = f64> + Clone, logarithmic: bool) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let high = finite.clone().fold(0.0, f64::max);
        if logarithmic {
            let positive = finite.filter(|value| *value > 0.0);
            let low = positive.fold(f64::INFINITY, f64::min);
            let low = if low.is_finite() { low.log10().floor() } else { 0.0 };
            let high = if high > 0.0 { high.log10().ceil() } else { 1.0 };
            return Self { low, high: high.max(low + 1.0), logarithmic };
        }
        let high = if high > 0.0 { high } else { 1.0 };
        let step = round_step(high / TICKS);
        Self { low: 0.0, high: (high / step).ceil() * step, logarithmic }
    }

    /// Where `value` is, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.max(1e-12).log10() } else { value };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The values that are marked.
    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let powers = self.low as i32..=self.high as i32;
            return powers.map(|power| 10f64.powi(power)).collect();
        }
        let step = round_step(self.high / TICKS);
        let count = (self.high / step).round() as u32;
        (0..=count).map(|tick| f64::from(tick) * step).collect()
    }
}

/// 1, 2 or 5 times a power of ten, not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * power)
        .find(|s| *s >= step * 0.999)
        .unwrap_or(step)
}

/// The picture: charts one below the other, each with its own axis.
pub fn picture(charts: &[Chart]) -> String {
    let height: f64 = charts.iter().map(height_of).sum();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <style>text{{fill:#333}}.grid{{stroke:#8884;fill:none}}\
         @media(prefers-color-scheme:dark){{text{{fill:#ddd}}svg{{background:#181818}}}}</style>\n"
    );
    let mut top = 0.0;
    for chart in charts {
        draw_chart(&mut text, chart, top);
        top += height_of(chart);
    }
    text.push_str("</svg>\n");
    text
}

fn height_of(chart: &Chart) -> f64 {
    PANEL * chart.panels.len() as f64 + BOTTOM
}

fn draw_chart(text: &mut String, chart: &Chart, top: f64) {
    let every_x = chart.panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.points);
    let x = Axis::over(every_x.map(|(x, _)| *x), false);
    for (index, panel) in chart.panels.iter().enumerate() {
        draw(text, panel, &x, top + index as f64 * PANEL);
    }
    let (middle, foot) = (LEFT + (WIDTH - LEFT - RIGHT) / 2.0, top + height_of(chart) - 12.0);
    let _ = writeln!(
        text,
        "<text x=\"{middle}\" y=\"{foot}\" text-anchor=\"middle\">{}</text>",
        escaped(chart.x_title)
    );
}

/// A panel's place in the picture and its axes.
struct Frame<'a> {
    x: &'a Axis,
    y: Axis,
    ceiling: f64,
    floor: f64,
}

impl Frame<'_> {
    fn left_to(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn down_to(&self, value: f64) -> f64 {
        self.ceiling + (1.0 - self.y.place(value)) * (self.floor - self.ceiling)
    }
}

fn draw(text: &mut String, panel: &Panel, x: &Axis, top: f64) {
    let values = panel.lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
    let y = Axis::over(values, panel.logarithmic);
    let frame = Frame { x, y, ceiling: top + TOP, floor: top + PANEL - BOTTOM };
    let title = escaped(panel.title);
    let _ = writeln!(text, "<text x=\"{LEFT}\" y=\"{:.1}\">{title}</text>", frame.ceiling - 10.0);
    draw_grid(text, &frame);
    for (index, line) in panel.lines.iter().enumerate() {
        draw_line(text, &frame, line, index);
    }
}

fn draw_grid(text: &mut String, frame: &Frame) {
    let Frame { ceiling, floor, .. } = frame;
    let end = WIDTH - RIGHT;
    for tick in frame.y.ticks() {
        let (at, label) = (frame.down_to(tick), label(tick));
        let _ = writeln!(
            text,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{end}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            at + 4.0,
        );
    }
    for tick in frame.x.ticks() {
        let (at, label) = (frame.left_to(tick), label(tick));
        let _ = writeln!(
            text,
            "<path class=\"grid\" d=\"M{at:.1} {ceiling:.1}V{floor:.1}\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            floor + 18.0,
        );
    }
}

/// The line, and its row of the legend.
fn draw_line(text: &mut String, frame: &Frame, line: &Line, index: usize) {
    let colour = COLOURS[index % COLOURS.len()];
    let finite = line.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
    let place = |(x, y): &(f64, f64)| (frame.left_to(*x), frame.down_to(*y));
    let places: Vec<(f64, f64)> = finite.map(place).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let stroke = format!("stroke=\"{colour}\" stroke-width=\"2\"");
    let _ = writeln!(text, "<polyline fill=\"none\" {stroke} points=\"{}\"/>", path.join(" "));
    for (x, y) in places {
        let _ = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
    let finite = line.bounds.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
    for (x, y) in finite.map(place) {
        let _ = writeln!(
            text,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">≥</text>",
            y - 6.0
        );
    }
    let (row, start) = (frame.ceiling + 14.0 * (index as f64 + 1.0), WIDTH - RIGHT + 12.0);
    let (mark, name) = (row - 4.0, escaped(line.name));
    let _ = writeln!(
        text,
        "<path {stroke} d=\"M{start} {mark:.1}h16\"/>\
         <text x=\"{:.1}\" y=\"{row:.1}\">{name}</text>",
        start + 22.0,
    );
}

/// A tick's value: whole numbers grouped, others to the digits that a tick has.
fn label(value: f64) -> String {
    if value == value.round() {
        return grouped(value as u64);
    }
    let digits = format!("{value:.9}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(logarithmic: bool, points: &[(f64, f64)]) -> Panel {
        let line = Line { name: "a<b & c", points: points.to_vec(), bounds: points.to_vec() };
        Panel { title: "per second", logarithmic, lines: vec![line.clone(), line] }
    }

    /// Every element that is opened is closed, in order.
    fn assert_well_formed(text: &str) {
        let mut open = Vec::new();
        for tag in text.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("every tag ends");
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            match (tag.starts_with('/'), tag.ends_with('/')) {
                (true, _) => assert_eq!(open.pop(), Some(name), "{tag}"),
                (false, true) => {}
                (false, false) => open.push(name),
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn pictures_are_well_formed_whatever_they_show() {
        let nothing: &[(f64, f64)] = &[];
        let shapes = [
            nothing,
            &[(0.0, 0.0)],
            &[(1000.0, 0.0), (2000.0, 0.0)],
            &[(1e3, 1e3), (2e3, 2.1e3), (9e3, 4e3)],
            &[(f64::NAN, 1.0), (1.0, f64::INFINITY), (5.0, 0.001)],
        ];
        for points in shapes {
            let panels = vec![panel(false, points), panel(true, points)];
            let chart = Chart { x_title: "x > y", panels };
            let text = picture(&[chart.clone(), chart]);
            assert_well_formed(&text);
            assert_eq!(text.matches("x &gt; y").count(), 2);
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
            assert!(text.contains("a&lt;b &amp; c") && text.contains("x &gt; y"));
        }
    }

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        let ticks = |high: f64| Axis::over([high].into_iter(), false).ticks();
        assert_eq!(ticks(1_000.0), [0.0, 200.0, 400.0, 600.0, 800.0, 1_000.0]);
        let labels: Vec<String> = ticks(2.0).into_iter().map(label).collect();
        assert_eq!(labels, ["0", "0.5", "1", "1.5", "2"]);
        assert_eq!(ticks(0.3).last().copied().map(label).unwrap(), "0.3");
        assert_eq!([1e-4, 0.1, 12_000.0].map(label), ["0.0001", "0.1", "12,000"]);
        assert_eq!(ticks(4_700.0), [0.0, 1_000.0, 2_000.0, 3_000.0, 4_000.0, 5_000.0]);
        let log = Axis::over([0.03, 700.0].into_iter(), true);
        assert_eq!(log.ticks(), [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]);
        assert!(log.place(0.03) > 0.0 && log.place(700.0) < 1.0);
    }
}
