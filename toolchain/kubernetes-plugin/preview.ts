import type { Values } from "../plugin-protocol/provider";
import { UNKNOWN } from "../plugin-protocol/provider";
import { overlay } from "./comparison";
import { isObject, listAt, textAt } from "./kube-object";

/** The outputs of an object that is to be made: what is given, and unknown what the API server alone decides. */
export function createdOutputs(inputs: Values): Values {
  const decided: Values = {
    metadata: { creationTimestamp: UNKNOWN, generation: UNKNOWN, resourceVersion: UNKNOWN, uid: UNKNOWN },
  };
  if (inputs["kind"] === "Service") decided["spec"] = serviceAddresses(inputs);
  if (inputs["kind"] === "PersistentVolumeClaim") decided["spec"] = { volumeName: UNKNOWN };
  return overlay(decided, inputs) as Values;
}

/** The outputs of an object that is to be changed. */
export function updatedOutputs(outputs: Values, inputs: Values): Values {
  return overlay(outputs, inputs) as Values;
}

function serviceAddresses(inputs: Values): Values {
  const type = textAt(inputs, "spec", "type");
  if (type === "ExternalName") return {};
  const ports = listAt(inputs, "spec", "ports");
  const hasNodePorts = type === "NodePort" || type === "LoadBalancer";
  return {
    clusterIP: UNKNOWN,
    clusterIPs: UNKNOWN,
    ...(hasNodePorts &&
      ports.length > 0 && {
        ports: ports.map((port) => (isObject(port) ? { nodePort: UNKNOWN, ...port } : port)),
      }),
  };
}
