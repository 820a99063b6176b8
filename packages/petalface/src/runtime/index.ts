export { floatsOf, openSession, type Provider, providerNames, type Session, type SessionOptions } from "./session.ts";
