import { Option } from "commander";

/** Where the queue is. In the environment, a password stays out of lists of processes. */
export function redisOption(): Option {
  return new Option("--redis <url>", "redis://[user:password@]host[:port][/database] that holds the queue").env("SIGHTLINE_REDIS_URL");
}
