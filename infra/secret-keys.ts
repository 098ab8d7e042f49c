/*
 * Where a stack's configuration keeps its secrets. By themselves, so that a command may know of them without loading what
 * makes secrets.
 */

/** Configuration key that holds the generated secrets as one encrypted JSON document. */
export const documentKey = "secrets";

/**
 * Configuration key of the values that a rotation brings in, as one encrypted JSON document; absent where none is under
 * way. The stack is given these, and the old ones stay where they were until everybody has taken the new.
 */
export const rotationKey = "rotation";
