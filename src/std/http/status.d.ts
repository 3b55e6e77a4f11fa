/**
 * Types of `@std/http/status`, which the npm build carries none of.
 *
 * @module
 */

/** Status codes by name (RFC 9110 and its kin). */
export const STATUS_CODE: {
  readonly Continue: 100;
  readonly SwitchingProtocols: 101;
  readonly Processing: 102;
  readonly EarlyHints: 103;
  readonly OK: 200;
  readonly Created: 201;
  readonly Accepted: 202;
  readonly NonAuthoritativeInfo: 203;
  readonly NoContent: 204;
  readonly ResetContent: 205;
  readonly PartialContent: 206;
  readonly MultiStatus: 207;
  readonly AlreadyReported: 208;
  readonly IMUsed: 226;
  readonly MultipleChoices: 300;
  readonly MovedPermanently: 301;
  readonly Found: 302;
  readonly SeeOther: 303;
  readonly NotModified: 304;
  readonly UseProxy: 305;
  readonly TemporaryRedirect: 307;
  readonly PermanentRedirect: 308;
  readonly BadRequest: 400;
  readonly Unauthorized: 401;
  readonly PaymentRequired: 402;
  readonly Forbidden: 403;
  readonly NotFound: 404;
  readonly MethodNotAllowed: 405;
  readonly NotAcceptable: 406;
  readonly ProxyAuthRequired: 407;
  readonly RequestTimeout: 408;
  readonly Conflict: 409;
  readonly Gone: 410;
  readonly LengthRequired: 411;
  readonly PreconditionFailed: 412;
  readonly ContentTooLarge: 413;
  readonly URITooLong: 414;
  readonly UnsupportedMediaType: 415;
  readonly RangeNotSatisfiable: 416;
  readonly ExpectationFailed: 417;
  readonly Teapot: 418;
  readonly MisdirectedRequest: 421;
  readonly UnprocessableEntity: 422;
  readonly Locked: 423;
  readonly FailedDependency: 424;
  readonly TooEarly: 425;
  readonly UpgradeRequired: 426;
  readonly PreconditionRequired: 428;
  readonly TooManyRequests: 429;
  readonly RequestHeaderFieldsTooLarge: 431;
  readonly UnavailableForLegalReasons: 451;
  readonly InternalServerError: 500;
  readonly NotImplemented: 501;
  readonly BadGateway: 502;
  readonly ServiceUnavailable: 503;
  readonly GatewayTimeout: 504;
  readonly HTTPVersionNotSupported: 505;
  readonly VariantAlsoNegotiates: 506;
  readonly InsufficientStorage: 507;
  readonly LoopDetected: 508;
  readonly NotExtended: 510;
  readonly NetworkAuthenticationRequired: 511;
};

/** Any known status code. */
export type StatusCode = (typeof STATUS_CODE)[keyof typeof STATUS_CODE];

/** The reason phrases by status code. */
export const STATUS_TEXT: { readonly [code in StatusCode]: string };

/** 1xx. */
export type InformationalStatus = 100 | 101 | 102 | 103;
/** 2xx. */
export type SuccessfulStatus = 200 | 201 | 202 | 203 | 204 | 205 | 206 | 207 | 208 | 226;
/** 3xx. */
export type RedirectStatus = 300 | 301 | 302 | 303 | 304 | 305 | 307 | 308;
/** 5xx. */
export type ServerErrorStatus = 500 | 501 | 502 | 503 | 504 | 505 | 506 | 507 | 508 | 510 | 511;
/** 4xx. */
export type ClientErrorStatus = Exclude<
  StatusCode,
  InformationalStatus | SuccessfulStatus | RedirectStatus | ServerErrorStatus
>;
/** 4xx and 5xx. */
export type ErrorStatus = ClientErrorStatus | ServerErrorStatus;

/** Whether `status` is a known status code. */
export function isStatus(status: number): status is StatusCode;
/** Whether `status` is 1xx. */
export function isInformationalStatus(status: number): status is InformationalStatus;
/** Whether `status` is 2xx. */
export function isSuccessfulStatus(status: number): status is SuccessfulStatus;
/** Whether `status` is 3xx. */
export function isRedirectStatus(status: number): status is RedirectStatus;
/** Whether `status` is 4xx. */
export function isClientErrorStatus(status: number): status is ClientErrorStatus;
/** Whether `status` is 5xx. */
export function isServerErrorStatus(status: number): status is ServerErrorStatus;
/** Whether `status` is 4xx or 5xx. */
export function isErrorStatus(status: number): status is ErrorStatus;
