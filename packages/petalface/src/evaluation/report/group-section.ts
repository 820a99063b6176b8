import { conditionLabel } from "../results/condition.ts";
import { percent } from "../results/percent.ts";
import type { NamedResult } from "../results/table.ts";
import { type Grouping, measureGroups } from "../statistics/groups.ts";
import { html } from "./html.ts";
import type { Section } from "./sections.ts";

/** One model's measures within groups of people; undefined without groups. */
export function groupSection(model: NamedResult, grouping: Grouping | undefined): Section | undefined {
  if (grouping === undefined || grouping.names.length === 0) return undefined;
  const people = grouping.names.map((_, group) => grouping.of.reduce((sum, own) => sum + (own === group ? 1 : 0), 0));
  const rows = measureGroups(model.result, grouping);
  return {
    id: "groups",
    title: "By group",
    content: html`<p>What ${model.name} does for each group of people, at thresholds that were chosen on everyone: a comparison counts where both people are of the group.
False rejects and false accepts are at the threshold of 1 % false accepts over all.</p>
<div class="scroll" tabindex="0" role="group" aria-label="table"><table>
<thead><tr><th scope="col">per cent, 95 % interval</th>${grouping.names.map((name, group) => html`<th scope="col"><span>${name}</span><small class="note"> ${people[group]} people</small></th>`)}</tr></thead>
<tbody>${rows.map(
      ({ title, condition, groups }) =>
        html`<tr><th scope="row">${title} ${conditionLabel(condition)}</th>${groups.map((share) =>
          share === undefined
            ? html`<td>–</td>`
            : html`<td>${percent(share.value)}<small>${percent(share.low)} to ${percent(share.high)}</small></td>`,
        )}</tr>
`,
    )}</tbody></table></div>`,
  };
}
