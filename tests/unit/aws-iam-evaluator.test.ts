import { describe, expect, it } from "vitest";
import { allows, matches, type PolicyStatement, readPolicy } from "../aws/iam";

const policy = (...Statement: PolicyStatement[]) =>
  readPolicy(JSON.stringify({ Version: "2012-10-17", Statement }));
const read: PolicyStatement = { Effect: "Allow", Action: "s3:Get*", Resource: "arn:aws:s3:::a/*" };

describe("the evaluator of IAM policies", () => {
  it("allows nothing that no statement allows", () => {
    expect(allows([], { action: "s3:GetObject", resource: "arn:aws:s3:::a/b" })).toBe(false);
    expect(allows([policy(read)], { action: "s3:PutObject", resource: "arn:aws:s3:::a/b" })).toBe(false);
    expect(allows([policy(read)], { action: "s3:GetObject", resource: "arn:aws:s3:::ab/b" })).toBe(false);
  });

  it("knows wildcards in actions and resources, and actions in any case", () => {
    expect(allows([policy(read)], { action: "S3:getobject", resource: "arn:aws:s3:::a/b/c" })).toBe(true);
    expect(matches("a?c", "abc")).toBe(true);
    expect(matches("a?c", "ac")).toBe(false);
    expect(matches("a.c", "abc")).toBe(false);
  });

  it("lets a denial win over every permission, from whatever policy", () => {
    const deny = policy({ Effect: "Deny", Action: "*", Resource: "arn:aws:s3:::a/secret/*" });
    expect(
      allows([policy(read), deny], { action: "s3:GetObject", resource: "arn:aws:s3:::a/secret/b" }),
    ).toBe(false);
    expect(allows([policy(read), deny], { action: "s3:GetObject", resource: "arn:aws:s3:::a/b" })).toBe(true);
  });

  it("holds every condition against what is known of the call", () => {
    const request = { action: "s3:GetObject", resource: "arn:aws:s3:::a/b" };
    const when = (Condition: PolicyStatement["Condition"]) => [policy({ ...read, Condition })];
    const tls = when({ Bool: { "aws:SecureTransport": "true" } });
    expect(allows(tls, { ...request, context: { "aws:SecureTransport": "true" } })).toBe(true);
    expect(allows(tls, { ...request, context: { "aws:SecureTransport": "false" } })).toBe(false);
    expect(allows(tls, request)).toBe(false);
    const via = when({
      StringLike: { "kms:ViaService": ["s3.*", "ebs.*"] },
      StringEquals: { "aws:SourceAccount": "1" },
    });
    const both = { "kms:ViaService": "s3.eu", "aws:SourceAccount": "1" };
    expect(allows(via, { ...request, context: both })).toBe(true);
    expect(allows(via, { ...request, context: { ...both, "aws:SourceAccount": "2" } })).toBe(false);
  });

  it("knows principals by kind and name", () => {
    const trust = [
      policy({ Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" }),
    ];
    const request = { action: "sts:AssumeRole", resource: "*" };
    expect(allows(trust, { ...request, principal: "Service:ec2.amazonaws.com" })).toBe(true);
    expect(allows(trust, { ...request, principal: "Service:lambda.amazonaws.com" })).toBe(false);
    expect(allows(trust, { ...request, principal: "AWS:ec2.amazonaws.com" })).toBe(false);
  });

  it("refuses grammar that it does not know, in place of passing over it", () => {
    const odd = {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", NotAction: "iam:*", Resource: "*" }],
    };
    expect(() => readPolicy(JSON.stringify(odd))).toThrow("does not know NotAction");
    const address = policy({ ...read, Condition: { IpAddress: { "aws:SourceIp": "10.0.0.0/8" } } });
    expect(() => allows([address], { action: "s3:GetObject", resource: "arn:aws:s3:::a/b" })).toThrow(
      "IpAddress",
    );
  });
});
