# SPDX-License-Identifier: Apache-2.0
"""Pictures of lines over two logarithmic axes, as SVG: growth with something is a line, what does
not grow is level."""

import math
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 460, 300, 60, 40, 45
LEGEND_WIDTH, LEGEND_LINE = 300, 20
COLUMNS = 2


@dataclass
class Line:
    points: list  # (x, y), both above 0
    colour: str
    dash: str = ""


@dataclass
class Axis:
    ticks: list  # the first and the last are its ends
    label: object  # from a tick to its text

    def share(self, value):
        """Where between the ends, 0 to 1."""
        first, last = self.ticks[0], self.ticks[-1]
        return math.log(value / first) / math.log(last / first)


def decades(values, label):
    """An axis in powers of ten that has room for all values."""
    first = math.floor(math.log10(min(values)))
    last = max(math.ceil(math.log10(max(values))), first + 1)
    return Axis([10.0**power for power in range(first, last + 1)], label)


@dataclass
class Panel:
    title: str
    across_title: str
    across: Axis
    up: Axis
    lines: list

    def drawn_at(self, x, y):
        x0, y0 = x + LEFT, y + TOP
        width, height = WIDTH - LEFT - 20, HEIGHT - TOP - BOTTOM
        out = [f'<text x="{x0}" y="{y + 22}" class="t">{self.title}</text>']

        def place(value_across, value_up):
            return (f"{x0 + width * self.across.share(value_across):.1f}",
                    f"{y0 + height * (1 - self.up.share(value_up)):.1f}")

        for tick in self.up.ticks:
            _, at = place(self.across.ticks[0], tick)
            out.append(f'<path d="M{x0} {at}h{width}" class="g"/>'
                       f'<text x="{x0 - 6}" y="{float(at) + 4:.1f}" class="e">{self.up.label(tick)}</text>')
        for tick in self.across.ticks:
            at, _ = place(tick, self.up.ticks[0])
            out.append(f'<text x="{at}" y="{y0 + height + 18}" class="m">{self.across.label(tick)}</text>')
        out.append(f'<text x="{x0 + width / 2}" y="{y0 + height + 36}" class="m">{self.across_title}</text>')
        for line in self.lines:
            points = " ".join(",".join(place(*point)) for point in line.points)
            out.append(f'<polyline points="{points}" fill="none" stroke="{line.colour}" '
                       f'stroke-width="2" stroke-dasharray="{line.dash}"/>')
        return "\n".join(out)


def picture(panels, legend, made_by):
    """`legend` has (text, colour, dash)."""
    rows = math.ceil(len(panels) / COLUMNS)
    legend_columns = COLUMNS * WIDTH // LEGEND_WIDTH
    height = rows * HEIGHT + math.ceil(len(legend) / legend_columns) * LEGEND_LINE + 20
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {COLUMNS * WIDTH} {height}" '
           'font-family="sans-serif" font-size="12">',
           f"<!-- SPDX-License-Identifier: Apache-2.0. Made by {made_by} -->",
           "<style>.t{font-weight:bold}.e{text-anchor:end}.m{text-anchor:middle}"
           ".g{stroke:#ddd}</style>", '<rect width="100%" height="100%" fill="#fff"/>']
    for index, panel in enumerate(panels):
        out.append(panel.drawn_at(index % COLUMNS * WIDTH, index // COLUMNS * HEIGHT))
    for index, (text, colour, dash) in enumerate(legend):
        x = 60 + index % legend_columns * LEGEND_WIDTH
        y = rows * HEIGHT + 20 + index // legend_columns * LEGEND_LINE
        out.append(f'<path d="M{x} {y}h30" stroke="{colour}" stroke-width="2" '
                   f'stroke-dasharray="{dash}"/><text x="{x + 36}" y="{y + 4}">{text}</text>')
    return "\n".join(out) + "\n</svg>\n"
