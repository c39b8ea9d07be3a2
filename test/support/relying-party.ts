import { randomBytes } from 'node:crypto';
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
  type VerifiedRegistrationResponse,
} from '@simplewebauthn/server';
import type { VirtualPasskeyAssertion, VirtualPasskeyRegistration } from 'nestjs-mfa/testing';

const rpID = 'acme.example';
const supportedAlgorithmIDs = [-8, -7, -257];

type RegistrationInfo = Extract<VerifiedRegistrationResponse, { verified: true }>['registrationInfo'];

/** A server of SimpleWebAuthn alone, with one user, and options that it expects the responses to. */
export async function relyingParty(origin: string) {
  const user = { userName: 'ada', userID: new Uint8Array(randomBytes(64)) };
  const setup = await generateRegistrationOptions({ rpName: 'Acme', rpID, ...user, supportedAlgorithmIDs });
  const request = await generateAuthenticationOptions({ rpID });
  const expected = ({ challenge }: { challenge: string }) => {
    return { expectedChallenge: challenge, expectedOrigin: origin, expectedRPID: rpID };
  };

  async function register(response: VirtualPasskeyRegistration): Promise<RegistrationInfo> {
    const result = await verifyRegistrationResponse({ response, ...expected(setup), supportedAlgorithmIDs });
    if (!result.verified) throw new Error('not verified');
    return result.registrationInfo;
  }

  /** `counter` is the stored one. */
  async function authenticate(
    response: VirtualPasskeyAssertion,
    registration: VirtualPasskeyRegistration,
    counter = 0,
  ) {
    const credential = { ...(await register(registration)).credential, counter };
    const result = await verifyAuthenticationResponse({ response, ...expected(request), credential });
    if (!result.verified) throw new Error('not verified');
    return result.authenticationInfo;
  }

  return { setup, request, register, authenticate };
}

export const clientDataOfResponse = ({ response }: VirtualPasskeyAssertion | VirtualPasskeyRegistration) =>
  JSON.parse(Buffer.from(response.clientDataJSON, 'base64url').toString());
