import { podContainers, podSpec, podTypes } from "./pods";
import type { Rule } from "./rule";
import { lookOfArguments, lookOfFile, lookOfSetting } from "./secret-looks";
import type { Look } from "./secret-looks";
import { at, entries, fields, property, type Subject } from "./subject";

const container = "docker:index/container:Container";
const configMap = "kubernetes:core/v1:ConfigMap";

/** A place that looks like a secret. */
interface Find {
  place: string;
  look: Look;
}

/**
 * Where everybody can look who may look at containers, pods or ConfigMaps. That Pulumi keeps a value encrypted in its state
 * changes nothing there, so a Pulumi secret is refused as well: secrets are files.
 */
export const secretRules: Rule[] = [
  {
    name: "no-plain-secret",
    description: "No environment variable, argument, label or ConfigMap holds what looks like a secret.",
    types: [container, configMap, ...podTypes],
    check: (subject) =>
      finds(subject).map(
        ({ place, look }) => `${place} looks like ${look}; expected a file that is a secret`,
      ),
  },
];

function finds(subject: Subject): Find[] {
  switch (subject.type) {
    case container:
      return [
        ...strings(property(subject, "envs")).flatMap((each) => {
          const end = each.indexOf("=");
          return setting("envs", each.slice(0, end), each.slice(end + 1));
        }),
        ...["command", "entrypoints", "healthcheck.tests"].flatMap((place) =>
          command(place, property(subject, place)),
        ),
        ...entries(property(subject, "labels")).flatMap((label) =>
          setting("labels", String(at(label, "label")), at(label, "value")),
        ),
      ];
    case configMap:
      return fields(property(subject, "data")).flatMap(([file, content]) =>
        typeof content === "string"
          ? lookOfFile(file, content).map(({ place, look }) => ({ place: `data.${place}`, look }))
          : [],
      );
    default:
      return podContainers(podSpec(subject)).flatMap(([place, inside]) =>
        ofPod(inside).map((find) => ({ ...find, place: `${place}.${find.place}` })),
      );
  }
}

/** Commands of a pod's container beside its own. */
const hooks = [
  ...["startupProbe", "readinessProbe", "livenessProbe"],
  ...["lifecycle.preStop", "lifecycle.postStart"],
].map((hook) => `${hook}.exec.command`);

function ofPod(inside: unknown): Find[] {
  return [
    ...entries(at(inside, "env")).flatMap((each) =>
      setting("env", String(at(each, "name")), at(each, "value")),
    ),
    ...["command", "args", ...hooks].flatMap((place) => command(place, at(inside, place))),
  ];
}

function setting(place: string, name: string, value: unknown): Find[] {
  const look = typeof value === "string" ? lookOfSetting(name, value) : undefined;
  return look === undefined ? [] : [{ place: `${place}.${name}`, look }];
}

function command(place: string, list: unknown): Find[] {
  return lookOfArguments(strings(list)).map((find) => ({ place: `${place}.${find.place}`, look: find.look }));
}

const strings = (list: unknown) => entries(list).filter((each): each is string => typeof each === "string");
